"""A release with two models is complete and verifies, or nothing is written."""

from pathlib import Path

import numpy as np
import pytest

from models.manifest import OUTPUTS, Manifest
from training.__main__ import main
from training.release import second_model
from training.release.criteria import Criterion
from training.release.graph import QuantiseError
from training.release.second_model import SecondModel, fp16, int8, release_with

COUNT = 6


@pytest.fixture(params=["int8", "fp16"])
def second(request: pytest.FixtureRequest, data: Path) -> SecondModel:
    return int8(data, COUNT) if request.param == "int8" else fp16()


def judge(monkeypatch: pytest.MonkeyPatch, *holds: bool) -> None:
    """Whatever is measured, these are the criteria."""
    criteria = [Criterion(f"thing {number}", 1.0, 0.5, 2.0, "2", held) for number, held in enumerate(holds)]
    monkeypatch.setattr(second_model, "compare_precisions", lambda *_: criteria)


def test_where_all_holds_the_release_has_both_models_and_verifies(second, released, data, tmp_path, monkeypatch):
    judge(monkeypatch, True, True)
    criteria, made = release_with(second, released, data, tmp_path / "out")
    assert made == tmp_path / "out" / released.name
    before, after = Manifest.read(released), Manifest.read(made)
    after.verify(made)
    assert after.models == {"fp32": "model.onnx", second.precision: f"model.{second.precision}.onnx"}
    assert after.sha256 == before.sha256
    assert after.numbers[second.precision] == {"thing 0": 2.0, "thing 1": 2.0}
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == {
        *after.files,
        "manifest.json",
    }
    assert "| thing 1 | 1 | 0.5 | 2 | 2 | yes |" in (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert [path.name for path in made.parent.iterdir()] == [released.name]
    assert len(criteria) == 2


def test_int8_has_golden_maps_of_its_own_with_room_for_another_processor(released, data, tmp_path, monkeypatch):
    judge(monkeypatch, True)
    _, made = release_with(int8(data, COUNT), released, data, tmp_path)
    golden = Manifest.read(made).goldens["int8"]
    assert (golden.frame, golden.maps) == ("golden/frame.png", "golden/maps.int8.npz")
    assert golden.tolerance >= 0.01
    own, floats = np.load(made / golden.maps), np.load(made / "golden/maps.npz")
    assert set(own) == set(OUTPUTS)
    assert np.abs(own["probability"] - floats["probability"]).max() > 0.0


@pytest.mark.parametrize(("furthest", "allowed"), [(0.001, 0.01), (0.03, 0.06)])
def test_fp16_is_held_to_the_golden_maps_of_fp32_within_twice_its_distance_here(
    released, data, tmp_path, monkeypatch, furthest, allowed
):
    judge(monkeypatch, True)
    monkeypatch.setattr(second_model, "_distance", lambda *_: furthest)
    _, made = release_with(fp16(), released, data, tmp_path)
    manifest = Manifest.read(made)
    golden = manifest.goldens["fp16"]
    assert (golden.frame, golden.maps) == (manifest.golden.frame, manifest.golden.maps)
    assert golden.tolerance == pytest.approx(allowed)


def test_a_release_may_have_all_three(released, data, tmp_path, monkeypatch):
    judge(monkeypatch, True)
    _, two = release_with(int8(data, COUNT), released, data, tmp_path / "two")
    _, three = release_with(fp16(), two, data, tmp_path / "three")
    manifest = Manifest.read(three)
    manifest.verify(three)
    assert set(manifest.models) == {"fp32", "int8", "fp16"}
    assert manifest.goldens["int8"] == Manifest.read(two).goldens["int8"]


def test_where_one_thing_does_not_hold_nothing_is_written(second, released, data, tmp_path, monkeypatch):
    judge(monkeypatch, True, False)
    criteria, made = release_with(second, released, data, tmp_path / "out")
    assert (made, [criterion.holds for criterion in criteria]) == (None, [True, False])
    assert not (tmp_path / "out").exists()


def test_what_is_tried_first_gives_way_to_the_next_where_it_misses(released, data, tmp_path, monkeypatch):
    missed, held = (Criterion("speed", 1.0, 0.5, 2.0, "2", holds) for holds in (False, True))
    answers = iter([[missed], [held]])
    monkeypatch.setattr(second_model, "compare_precisions", lambda *_: next(answers))
    _, made = release_with(int8(data, COUNT), released, data, tmp_path)
    assert "the encoder up to feature f2" in (made / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_release_that_is_there_already_is_refused_before_any_work(second, released, data):
    with pytest.raises(QuantiseError, match="exists already, and a release is immutable; choose another --out"):
        release_with(second, released, data, released.parent)


def test_a_model_that_is_there_already_is_refused_in_words(second, released, data, tmp_path, monkeypatch):
    judge(monkeypatch, True)
    _, made = release_with(second, released, data, tmp_path)
    with pytest.raises(
        QuantiseError, match=f"found models fp32, {second.precision}, expected no {second.precision} yet"
    ):
        release_with(second, made, data, None)


def test_too_few_frames_are_refused_in_words(released, data, tmp_path):
    with pytest.raises(QuantiseError, match="found 12 real frames to calibrate on, expected 304"):
        release_with(int8(data, 304), released, data, tmp_path / "out")


def test_the_command_prints_the_table_and_what_was_missed(released, data, capsys):
    assert main(["quantise", str(released), "--data", str(data), "--frames", str(COUNT)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "found asked holds" in shown
    assert "nothing written; missed: " in shown


def test_the_command_makes_fp16_where_that_is_asked_for(released, data, capsys):
    assert main(["quantise", str(released), "--precision", "fp16", "--data", str(data)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "fp32 fp16 found asked holds" in shown
    assert "processor time" not in shown
    assert "rank correlation of" in shown
