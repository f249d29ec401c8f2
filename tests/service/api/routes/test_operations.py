"""The model is changed over HTTP."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.drift import Histogram, psi
from models.manifest import Manifest
from models.maps import SegmentationMaps
from service.cameras.pictures.health import FRAMES_MIN
from service.runtime.slot import LoadedModel
from tests.pictures import file_of, plume
from tests.service.api.conftest import status
from tests.service.conftest import ObedientModel


def test_without_being_switched_on_there_is_no_administration(open_client, keys_file):
    client = open_client(api_keys_file=keys_file)
    assert status(client, "POST", "/admin/reload", "admin") == 404
    assert "/admin/reload" not in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("probe", ["live", "ready", "startup"])
def test_a_probe_may_ask_for_the_status_alone(client, probe):
    asked, got = client.head(f"/health/{probe}"), client.get(f"/health/{probe}")
    assert asked.status_code == got.status_code == 200
    assert asked.headers["Content-Length"] == got.headers["Content-Length"]
    client.app.state.app_state.admission.drain()
    assert client.head("/health/ready").status_code == 503


def change(client: TestClient, what: str):
    return client.post(f"/admin/{what}", headers={"Authorization": "Bearer admin"})


def test_a_reload_and_a_rollback_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    refused = change(client, "rollback")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:smoke-bvm:problem:nothing_to_roll_back")
    newer = ObedientModel(obedient.manifest)
    newer.identity = dataclasses.replace(newer.identity, version="0.0.2")
    reloader = client.app.state.app_state.reloader
    monkeypatch.setattr(reloader, "_load", lambda: dataclasses.replace(reloader._slot._current, model=newer))
    assert change(client, "reload").json()["version"] == "0.0.2"
    assert change(client, "rollback").json()["version"] == "0.0.1"
    text = client.get("/metrics", headers={"X-API-Key": "metrics"}).text
    assert 'smoke_reloads_total{result="swapped"} 1.0' in text
    assert 'smoke_reloads_total{result="rolled_back"} 1.0' in text


@pytest.mark.parametrize(("named", "said"), [(False, ["keys"]), (True, ["cameras file", "keys"])])
def test_only_files_that_are_named_are_said_to_be_read_again(open_client, keys_file, tmp_path, caplog, named, said):
    (tmp_path / "cameras.toml").write_text("")
    client = open_client(api_keys_file=keys_file, admin=True, cameras_file=tmp_path / "cameras.toml" if named else None)
    with caplog.at_level("INFO", "service.server"):
        change(client, "reload")
    again = " read again"
    assert [m.removesuffix(again) for m in caplog.messages if m.endswith(again)] == said


def test_a_broken_release_is_refused_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    monkeypatch.setattr(client.app.state.app_state.reloader, "_load", obedient.refuse_to_load)
    refused = change(client, "reload")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:smoke-bvm:problem:release_refused")
    assert refused.json()["detail"] == "found the release broken, expected it whole"


class LastAnswer(ObedientModel):
    """Measured at its release on frames with these edges of brightness; another model comes into service during its last batch."""

    def __init__(self, manifest: Manifest, *edges: float) -> None:
        half = Histogram(edges, (0.5, 0.5))
        super().__init__(dataclasses.replace(manifest, reference={"brightness": half}))
        self.before_last = FRAMES_MIN
        self.swap: Callable[[], object] = lambda: None

    def predict(self, frames: Any) -> list[SegmentationMaps]:
        self.before_last -= 1
        if self.before_last == 0:
            self.swap()
        return super().predict(frames)


def test_a_frame_is_held_against_the_release_of_the_model_that_answered_it(open_client, obedient, tmp_path):
    answering, next_one = LastAnswer(obedient.manifest, 0.98, 0.99, 1.0), LastAnswer(obedient.manifest, 0.0, 0.3, 1.0)
    next_one.identity = dataclasses.replace(next_one.identity, version="0.0.2")
    client = open_client(answering, feedback_file=tmp_path / "feedback.jsonl")
    slot = client.app.state.app_state.slot
    answering.swap = lambda: slot.install(LoadedModel(next_one, lambda: next_one))
    for _ in range(FRAMES_MIN):
        assert client.post("/segment?outputs=&camera_id=ridge", content=file_of(plume())).status_code == 200
    assert slot.model is next_one
    client.post("/cameras/ridge/feedback", json={"verdict": "true_alarm"})
    assert json.loads((tmp_path / "feedback.jsonl").read_text())["model"]["version"] == "0.0.1"
    drift = client.get("/cameras/ridge").json()["drift_psi"]
    assert drift["brightness"] == pytest.approx(psi([1.0, 0.0], [0.01, 0.99]), abs=1e-6)
