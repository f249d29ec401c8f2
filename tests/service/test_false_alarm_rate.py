"""Operated by a rate: which threshold is in force, what says so, and what is refused."""

import dataclasses
from pathlib import Path

import pytest

from models.manifest import Manifest
from models.operating_points import OperatingPoint, OperatingPointError, OperatingPoints
from service.errors import ReleaseRefused, SettingsInvalid
from service.pipeline.threshold import Threshold, certified, threshold_in_force
from service.runtime.slot import LoadedModel
from service.server import components
from service.server.app import create_app
from service.settings import Settings
from tests.conftest import THRESHOLD, build_release
from tests.pictures import file_of, plume
from tests.service.conftest import ObedientModel

POINTS = OperatingPoints(
    0.95,
    159,
    110,
    (OperatingPoint(0.4, 0.2, 0.3, 1.0), OperatingPoint(0.6, 0.05, 0.1, 0.9), OperatingPoint(0.9, 0.01, 0.05, 0.8)),
)
"""The plume has probability .8: it is seen at the thresholds of the rates .3 and .1, and not at that of .05."""
LEAST = r"found a false-alarm rate of 0\.01, expected at least 0\.05: 110 camera groups"
NONE = "release smoke-test-0.0.1, which certifies none; expected a release with operating points"


def rated(obedient: ObedientModel, points: OperatingPoints | None = POINTS) -> ObedientModel:
    return ObedientModel(dataclasses.replace(obedient.manifest, operating_points=points))


def post(client, query: str = "") -> dict:
    return client.post(f"/segment?outputs={query}", content=file_of(plume())).json()


def point(rate: float, bound: float) -> dict:
    return {"false_alarm_rate": rate, "upper_bound": bound, "confidence": 0.95}


@pytest.mark.parametrize(
    ("rate", "threshold", "bound", "detected"), [(0.3, 0.4, 0.3, True), (0.2, 0.6, 0.1, True), (0.05, 0.9, 0.05, False)]
)
def test_the_rate_chooses_the_threshold_and_reply_and_model_say_so(
    open_client, obedient, rate, threshold, bound, detected
):
    client = open_client(rated(obedient), false_alarm_rate=rate)
    reply, described = post(client), client.get("/model").json()
    assert reply["smoke"]["detected"] == detected
    for said in (reply["model"], described):
        assert (said["threshold"], said["operating_point"]) == (threshold, point(rate, bound))


def test_without_a_rate_the_release_s_threshold_holds(open_client, obedient):
    client = open_client(rated(obedient))
    for said in (post(client)["model"], client.get("/model").json()):
        assert (said["threshold"], said["operating_point"]) == (THRESHOLD, None)


def test_a_threshold_that_is_asked_for_goes_first(open_client, obedient, tmp_path):
    file = tmp_path / "cameras.toml"
    file.write_text("[default]\nfalse_alarm_rate = 0.05")
    client = open_client(rated(obedient), false_alarm_rate=0.05, cameras_file=file)
    for query in ("&threshold=0.7", "&threshold=0.7&camera_id=ridge"):
        reply = post(client, query)
        assert (reply["model"]["threshold"], reply["model"]["operating_point"]) == (0.7, None)
        assert reply["smoke"]["detected"]


@pytest.mark.parametrize(
    ("query", "threshold"), [("&camera_id=ridge", 0.9), ("&camera_id=valley", 0.4), ("&camera_id=hill", 0.6), ("", 0.6)]
)
def test_a_camera_has_its_own_rate_before_that_of_the_default_before_that_of_the_service(
    open_client, obedient, tmp_path, query, threshold
):
    file = tmp_path / "cameras.toml"
    file.write_text("[camera.ridge]\nfalse_alarm_rate = 0.05\n[camera.valley]\nfalse_alarm_rate = 1\n[camera.hill]\n")
    client = open_client(rated(obedient), false_alarm_rate=0.1, cameras_file=file)
    assert post(client, query)["model"]["threshold"] == threshold


@pytest.mark.parametrize(("view", "threshold"), [("", 0.6), ("&view=west", 0.6), ("&view=east", 0.9)])
def test_a_view_has_its_own_rate_before_that_of_its_camera(open_client, obedient, tmp_path, view, threshold):
    file = tmp_path / "cameras.toml"
    file.write_text("[camera.ridge]\nfalse_alarm_rate = 0.1\n[camera.ridge.view.east]\nfalse_alarm_rate = 0.05\n")
    client = open_client(rated(obedient), cameras_file=file)
    assert post(client, f"&camera_id=ridge{view}")["model"]["threshold"] == threshold


def test_a_view_s_rate_that_is_not_certified_is_refused_by_its_name(open_client, obedient, tmp_path):
    file = tmp_path / "cameras.toml"
    file.write_text("[camera.ridge.view.east]\nfalse_alarm_rate = 0.01")
    with pytest.raises(SettingsInvalid, match=rf"camera\.ridge\.view\.east\.false_alarm_rate: .*{LEAST}"):
        open_client(rated(obedient), cameras_file=file)


def test_the_rate_of_the_cameras_default_holds_for_frames_that_name_a_camera(open_client, obedient, tmp_path):
    file = tmp_path / "cameras.toml"
    file.write_text("[default]\nfalse_alarm_rate = 0.05")
    client = open_client(rated(obedient), cameras_file=file)
    assert post(client, "&camera_id=ridge")["model"]["threshold"] == 0.9
    assert post(client)["model"]["threshold"] == THRESHOLD


@pytest.mark.parametrize(("rate", "points", "words"), [(0.01, POINTS, LEAST), (0.5, None, NONE)])
def test_a_rate_that_the_release_does_not_certify_is_refused_at_the_start(tmp_path, rate, points, words):
    release = build_release(tmp_path, operating_points=points)
    with pytest.raises(SettingsInvalid, match=f"SMOKE_FALSE_ALARM_RATE: .*{words}"):
        components.load(Settings.load(model_dir=release, provider="cpu", false_alarm_rate=rate))


@pytest.mark.parametrize("rate", ["0", "1.1", "nan", "often"])
def test_a_rate_that_is_none_is_refused(monkeypatch, rate):
    monkeypatch.setenv("SMOKE_FALSE_ALARM_RATE", rate)
    with pytest.raises(SettingsInvalid, match="SMOKE_FALSE_ALARM_RATE: found"):
        Settings.load()


def test_a_release_that_does_not_certify_the_rate_is_refused_at_a_reload_and_the_old_one_stays(tmp_path):
    link = tmp_path / "serving"
    link.symlink_to(build_release(tmp_path / "rated", operating_points=POINTS))
    settings = Settings.load(model_dir=link, provider="cpu", false_alarm_rate=0.05)
    app = create_app(settings, lambda: components.load(settings))
    link.unlink()
    link.symlink_to(build_release(tmp_path / "bare", version="0.0.2"))
    with pytest.raises(ReleaseRefused, match=r"SMOKE_FALSE_ALARM_RATE: .* release smoke-test-0\.0\.2, which certifies"):
        app.state.app_state.reloader.reload()
    assert app.state.app_state.reloader._slot.model.identity.version == "0.0.1"


@pytest.mark.parametrize(("points", "words"), [(POINTS, LEAST), (None, NONE)])
def test_a_cameras_file_with_a_rate_that_is_not_certified_is_refused_at_the_start(
    open_client, obedient, tmp_path, points, words
):
    file = tmp_path / "cameras.toml"
    file.write_text("[camera.ridge]\nfalse_alarm_rate = 0.01")
    with pytest.raises(SettingsInvalid, match=rf"cameras.toml: camera\.ridge\.false_alarm_rate: .*{words}"):
        open_client(rated(obedient, points), cameras_file=file)


def test_a_rate_that_is_not_certified_keeps_the_old_rules_until_a_model_certifies_it(
    open_client, obedient, tmp_path, caplog
):
    file = tmp_path / "cameras.toml"
    file.write_text("[default]\nhits = 2")
    client = open_client(rated(obedient, None), cameras_file=file)
    rules = client.app.state.app_state.cameras.file
    file.write_text("[default]\nhits = 4\nfalse_alarm_rate = 0.1")
    for _ in range(3):
        rules.refresh()
    assert (rules.rules.default.policy.hits, [r.levelname for r in caplog.records].count("ERROR")) == (2, 1)
    assert NONE in client.get("/cameras").json()["cameras_file_error"]
    better = rated(obedient)
    client.app.state.app_state.slot.install(LoadedModel(better, lambda: better))
    rules.refresh()
    assert (rules.rules.default.policy.hits, rules.error) == (4, None)
    assert post(client, "&camera_id=ridge")["model"]["threshold"] == 0.6


def test_a_model_that_does_not_certify_a_camera_s_rate_is_refused_at_a_reload_and_at_a_rollback(
    open_client, obedient, tmp_path, monkeypatch
):
    file = tmp_path / "cameras.toml"
    file.write_text("")
    bare = rated(obedient, None)
    client = open_client(bare, cameras_file=file)
    state = client.app.state.app_state
    better = rated(obedient)
    better.identity = dataclasses.replace(better.identity, version="0.0.2")
    state.slot.install(LoadedModel(better, lambda: better))
    file.write_text("[camera.ridge]\nfalse_alarm_rate = 0.05")
    state.cameras.file.refresh()
    monkeypatch.setattr(state.reloader, "_load", lambda: LoadedModel(bare, lambda: bare))
    for change in (state.reloader.reload, state.reloader.rollback):
        with pytest.raises(ReleaseRefused, match=rf"camera\.ridge\.false_alarm_rate: .*{NONE}"):
            change()
    assert state.slot.model is better
    file.write_text("# no rate any more")
    state.cameras.file.refresh()
    assert state.reloader.rollback() is bare


def test_a_frame_that_meets_another_model_on_its_way_is_answered_at_the_threshold_of_that(release: Path):
    manifest = Manifest.read(release)
    with pytest.raises(OperatingPointError, match=NONE):
        certified(manifest, 0.1)
    assert threshold_in_force(manifest, None, 0.1) == Threshold(THRESHOLD)
