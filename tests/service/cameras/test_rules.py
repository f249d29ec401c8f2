import dataclasses
import os
import threading
from pathlib import Path

import pytest

from models.gate import Gate
from models.manifest import Manifest
from service.cameras import rules as rules_module
from service.cameras.evidence import AlarmPolicy
from service.cameras.rules import CameraFile, Rules
from service.errors import SettingsInvalid

TEXT = """
[default]
hits = 2
[camera.north-3]
frames = 8
hits = 4.5
ignore = [[[0.0, 0.8], [1.0, 0.8], [1.0, 1.0], [0.0, 1.0]]]
"""


def write(path: Path, text: str, stamp: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(stamp, stamp))


def test_a_camera_has_its_own_policy_over_the_default_over_the_settings():
    rules = Rules.parse(TEXT, AlarmPolicy(frames=6, hits=3.0, cooldown_s=60.0))
    assert rules.of("north-3").policy == AlarmPolicy(frames=8, hits=4.5, cooldown_s=60.0)
    assert rules.of("south").policy == AlarmPolicy(frames=6, hits=2, cooldown_s=60.0)


@pytest.mark.parametrize(
    ("box", "ignored"),
    [
        ((0.1, 0.85, 0.2, 0.95), True),
        ((0.1, 0.1, 0.2, 0.2), False),
        ((0.1, 0.75, 0.2, 0.85), True),  # half of it
        ((0.1, 0.7, 0.2, 0.85), False),  # a third
        ((0.999, 0.999, 1.0, 1.0), True),
    ],
)
def test_a_box_is_ignored_if_at_least_half_of_it_lies_where_nothing_counts(box, ignored):
    rules = Rules.parse(TEXT, AlarmPolicy())
    assert rules.of("north-3").ignores(box) == ignored
    assert not rules.of("south").ignores(box)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[default", "Expected"),
        ("[cameras.a]", r"found \['cameras'\], expected \[default\] and \[camera.ID\]"),
        ("[default]\nhit = 2", r"default: found \['hit'\], expected some of cooldown_s"),
        ("[camera.a]\nhits = 0", "camera.a.hits: found 0, expected a float from 0.1 to 32"),
        ("[camera.a]\nframes = 2.5", "expected a int from 1 to 32"),
        ("[camera.a]\nhold = true", "found True"),
        ("[camera.a]\nhits = 6", "camera.a: found hits 6 of frames 5"),
        ("[camera.a]\nignore = [[[0, 0], [1, 1]]]", "expected three or more points"),
        ("[camera.a]\nignore = [[[0, 0], [1, 1], [0, 2]]]", "from 0 to 1"),
        (
            "[camera.a]\nignore = [[[nan, nan], [nan, nan], [nan, nan]]]",
            "camera.a.ignore: found nan, expected three or more points",
        ),
        (
            "[camera.a]\nignore = [[[0, 0], [1, 0], [inf, 1]]]",
            "camera.a.ignore: found inf, expected three or more points",
        ),
        ("[camera.a]\nignore = [[[0, 0], [1, 0], [1, 1, 1]]]", "expected three or more points"),
        ("[camera.a]\nhits = nan", "camera.a.hits: found nan, expected a float from 0.1 to 32"),
        (
            "[camera.a]\nignore = " + "[" * 3_000,
            "cameras.toml: found brackets nested too deeply, expected a few levels",
        ),
        ("[camera.a]\nhits" + ".a" * 3_000 + " = 1", "cameras.toml: found brackets nested too deeply"),
        ("a = " + "{a=" * 3_000, "cameras.toml: found brackets nested too deeply"),
        ("[camera.a.view.east]\nhits = 0", "camera.a.view.east.hits: found 0, expected a float"),
        ("[camera.a.view.b.view.c]\nhits = 1", r"camera.a.view.b: found \['view'\], expected some of cooldown_s"),
        ("[default.view.b]\nhits = 1", r"default: found \['view'\], expected some of cooldown_s"),
        ("[camera.'north 3']\nhits = 1", "camera.north 3: found 'north 3', expected up to 64 letters, digits"),
        ("[camera.a.view.'../b']\nhits = 1", "camera.a.view.../b: found '../b', expected up to 64 letters, digits"),
        ("[camera.a]\nview = 3", r"camera.a.view: found 3, expected items \[camera.ID.view.NAME\]"),
        ("camera = 3", r"camera: found 3, expected items \[camera.ID\]"),
    ],
)
def test_a_broken_file_is_refused_at_the_start_in_words(tmp_path, text, words):
    write(tmp_path / "cameras.toml", text, 1)
    with pytest.raises(SettingsInvalid, match=words):
        CameraFile(tmp_path / "cameras.toml", AlarmPolicy())


def test_a_view_has_its_own_policy_over_that_of_its_camera():
    rules = Rules.parse(TEXT + "[camera.north-3.view.east]\nhits = 5\nignore = []", AlarmPolicy())
    east, west = rules.of("north-3", "east"), rules.of("north-3", "west")
    assert (east.policy.frames, east.policy.hits, west.policy.hits) == (8, 5, 4.5)
    low = (0.1, 0.85, 0.2, 0.95)
    assert (east.ignores(low), west.ignores(low)) == (False, True)


@pytest.mark.parametrize(
    ("gate", "text", "told"),
    [
        (None, "[camera.a.view.east]\ndoubted = 0.5\n[camera.b]\ndoubted = 0", ("camera.a.view.east.doubted", 2)),
        (None, "[default]\ndoubted = 1.0", None),
        (Gate({"epistemic": 1.0}, 0.1), "[default]\ndoubted = 0.5", None),
    ],
)
def test_a_weight_for_doubt_that_the_model_never_has_is_told(release, caplog, gate, text, told):
    manifest = dataclasses.replace(Manifest.read(release), gate=gate)
    Rules.parse(text, AlarmPolicy()).check(manifest)
    records = [record for record in caplog.records if "rules `doubted` have no effect" in record.getMessage()]
    assert [(record.first, record.tables, record.model) for record in records] == (
        [(*told, "smoke-test-0.0.1")] if told else []
    )


def test_whoever_asks_for_the_file_as_it_is_being_read_hears_what_came_of_it(tmp_path, monkeypatch):
    """A reload at the second at which it was looked at anyway said that a broken file was well."""
    write(tmp_path / "cameras.toml", "", 1)
    file, errors = CameraFile(tmp_path / "cameras.toml", AlarmPolicy()), []
    write(tmp_path / "cameras.toml", "broken", 2)
    begun, free, read = threading.Event(), threading.Event(), rules_module.read_text

    def slowly(path: Path) -> str:
        begun.set()
        assert free.wait(60)
        return read(path)

    def ask() -> None:
        file.refresh()
        errors.append(file.error)

    monkeypatch.setattr(rules_module, "read_text", slowly)
    asking = [threading.Thread(target=ask) for _ in range(2)]
    asking[0].start()
    assert begun.wait(60)
    asking[1].start()
    asking[1].join(0.1)
    free.set()
    for thread in asking:
        thread.join()
    assert len(errors) == 2
    assert all(errors)


def test_a_file_that_is_missing_at_the_start_is_refused(tmp_path):
    with pytest.raises(SettingsInvalid, match="SMOKE_CAMERAS_FILE"):
        CameraFile(tmp_path / "cameras.toml", AlarmPolicy())


def test_a_file_that_goes_and_comes_back_as_it_was_is_well_again(tmp_path):
    path = tmp_path / "cameras.toml"
    write(path, "[default]\nhits = 2", 1)
    file = CameraFile(path, AlarmPolicy())
    path.rename(tmp_path / "away")
    file.refresh()
    assert "cameras.toml" in file.error
    assert file.rules.default.policy.hits == 2
    (tmp_path / "away").rename(path)
    file.refresh()
    assert file.error is None


def test_a_change_is_taken_over_and_a_broken_one_keeps_the_old_rules_and_says_so(tmp_path, caplog):
    path = tmp_path / "cameras.toml"
    write(path, "[default]\nhits = 2", 1)
    file = CameraFile(path, AlarmPolicy())
    write(path, "[default]\nhits = 4", 2)
    file.refresh()
    assert (file.rules.default.policy.hits, file.error) == (4, None)
    write(path, "[default]\nhits = 'x'", 3)
    file.refresh()
    file.refresh()
    assert file.rules.default.policy.hits == 4
    assert "default.hits: found 'x'" in file.error
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    write(path, "a = " + "[" * 3_000, 4)
    file.refresh()
    assert file.rules.default.policy.hits == 4
    assert "nested too deeply" in file.error
    write(path, "[default]\nhits = 1", 5)
    file.refresh()
    assert (file.rules.default.policy.hits, file.error) == (1, None)
