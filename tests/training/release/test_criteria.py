"""What a second model is held to, measured where it is known: on a model beside itself, and beside ones that are wrong."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from models.close_ups import CloseUps
from models.manifest import Manifest
from tests.conftest import build_release, closed_form_graph
from tests.training.evaluation.red_smoke import read_red, say_nothing, write_frame, write_speck
from training.data.folders import read_frames
from training.data.frames import Frame
from training.evaluation.predictor import Predict
from training.release import criteria
from training.release.criteria import BOUNDS, Criterion, as_numbers, compare_precisions, table
from training.release.int8.calibration import calibration_frames, fitted

ANY_SPEED = replace(BOUNDS["int8"], speed=0.0)


def frame(kind: str, group: str, number: int) -> Frame:
    return Frame(Path(f"{group}-{number}.png"), None, kind, group)


def by_name(criteria: list[Criterion]) -> dict[str, Criterion]:
    return {criterion.name: criterion for criterion in criteria}


@pytest.fixture
def frames(data: Path) -> list[Frame]:
    return read_frames(data, "val")[:6]


def test_calibration_frames_are_two_thirds_smoke_and_come_from_every_camera():
    frames = [frame("real_smoke", f"cam-{camera}", number) for camera in range(5) for number in range(40)]
    frames += [frame(kind, f"{kind}-camera", number) for kind in ("clear", "hard_negative") for number in range(20)]
    frames += [frame("synthetic", "synthetic", number) for number in range(500)]
    found = calibration_frames(frames, 60)
    assert len({picture.image for picture in found}) == 60
    assert [picture.kind for picture in found[:40]] == ["real_smoke"] * 40
    assert {picture.group: sum(other.group == picture.group for other in found) for picture in found[:40]} == {
        f"cam-{camera}": 8 for camera in range(5)
    }
    assert not [picture for picture in found if picture.kind == "synthetic"]


def test_calibration_frames_are_the_same_at_every_call():
    frames = [frame("real_smoke", "cam", number) for number in range(40)]
    assert calibration_frames(frames, 9) == calibration_frames(frames, 9)


def test_pictures_are_fitted_to_the_models_square(frames):
    assert [picture.shape for picture in fitted(frames[:2], 48)] == [(1, 48, 48, 3)] * 2


def test_a_model_beside_itself_loses_nothing(release, frames):
    file = release / "model.onnx"
    found = by_name(compare_precisions(Manifest.read(release), file, file, frames, ANY_SPEED))
    assert (found["F-beta at the threshold"].found, found["ECE"].found) == (0.0, 0.0)
    assert found["rank correlation of epistemic"].found == pytest.approx(1.0)
    assert all(criterion.holds for name, criterion in found.items() if "processor time" not in name)
    slow = found["ms of processor time, 1 thread"]
    assert slow.fp32 > 0.0
    assert slow.found == pytest.approx(slow.fp32 / slow.second)


def test_both_are_scored_by_what_a_user_is_shown(release, tmp_path, monkeypatch):
    def doubt_red(view):
        seen = read_red(view)
        return seen._replace(epistemic=seen.probability * seen.total)

    def doubt_what_is_not(view):
        seen = read_red(view)
        return seen._replace(probability=np.zeros_like(seen.probability), epistemic=(1 - seen.probability) * seen.total)

    def see_nothing(view):
        return doubt_red(view)._replace(probability=say_nothing(view).probability)

    def look(left, view):
        looked.append(next(left))
        return looked[-1](view)

    # Of either model: the speck, a close-up of it, on whose doubt they do not agree, the other frame.
    looked: list[Predict] = []
    looks = {"fp32.onnx": [doubt_red, see_nothing, doubt_red], "int8.onnx": [doubt_red, doubt_what_is_not, doubt_red]}
    monkeypatch.setattr(criteria, "OnnxModel", lambda file: iter(looks[file.name]))
    monkeypatch.setattr(criteria, "onnx_predictor", lambda left: partial(look, left))
    manifest = replace(Manifest.read(release), threshold=0.5, close_ups=CloseUps(largest=0.02))
    frames = [write_speck(tmp_path, 160, slice(78, 88), slice(78, 88)), write_frame(tmp_path, "other", "b")]
    files = (Path("fp32.onnx"), Path("int8.onnx"))
    found = by_name(compare_precisions(manifest, *files, frames, BOUNDS["fp16"]))
    assert (found["F-beta at the threshold"].fp32, found["F-beta at the threshold"].second) == (0.5, 0.5)
    assert found["rank correlation of epistemic"].found == pytest.approx(1.0)
    assert len(looked) == 6


def test_speed_is_not_measured_where_it_is_not_bounded(release, frames):
    file = release / "model.onnx"
    found = compare_precisions(Manifest.read(release), file, file, frames, BOUNDS["fp16"])
    assert [criterion.name for criterion in found] == [
        "F-beta at the threshold",
        "ECE",
        "rank correlation of epistemic",
    ]


def test_the_rest_is_not_measured_where_speed_does_not_hold(release, frames):
    file, bounds = release / "model.onnx", replace(ANY_SPEED, speed=1e9)
    found = compare_precisions(Manifest.read(release), file, file, frames, bounds)
    assert [criterion.holds for criterion in found] == [False] * len(found)
    assert all("processor time" in criterion.name for criterion in found)


def answering(release: Path, operator: str, constant: float, file: Path) -> None:
    """Write the release's model with another probability: the operator of the constant and what it was."""
    model = onnx.load(release / "model.onnx")
    node = next(node for node in model.graph.node if "probability" in node.output)
    node.output[0] = "red_share"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(constant), "constant"))
    model.graph.node.append(helper.make_node(operator, ["constant", "red_share"], ["probability"]))
    onnx.save(model, file)


def test_a_model_that_finds_the_opposite_fails(release, frames, tmp_path):
    answering(release, "Sub", 1.0, tmp_path / "opposite.onnx")
    manifest = replace(Manifest.read(release), threshold=0.75)
    found = by_name(compare_precisions(manifest, release / "model.onnx", tmp_path / "opposite.onnx", frames, ANY_SPEED))
    lost = found["F-beta at the threshold"]
    assert lost.found == pytest.approx(lost.fp32 - lost.second)
    assert not lost.holds
    assert found["ECE"].fp32 != found["ECE"].second
    assert found["rank correlation of epistemic"].holds


def test_more_is_as_far_from_fp32_as_less(release, frames, tmp_path):
    answering(release, "Mul", 0.5, tmp_path / "half.onnx")
    files = (release / "model.onnx", tmp_path / "half.onnx")
    there, back = (
        by_name(compare_precisions(Manifest.read(release), *order, frames, BOUNDS["fp16"]))
        for order in (files, files[::-1])
    )
    for name in ("F-beta at the threshold", "ECE"):
        assert there[name].found == pytest.approx(-back[name].found)
        assert (there[name].holds, back[name].holds) == (False, False)


def test_the_rank_is_of_epistemic_and_falls_where_its_order_turns(release, frames, tmp_path):
    model = onnx.load(release / "model.onnx")
    node = next(node for node in model.graph.node if "epistemic" in node.output)
    node.output[0] = "before"
    model.graph.node.append(helper.make_node("Neg", ["before"], ["epistemic"]))
    onnx.save(model, tmp_path / "turned.onnx")
    found = by_name(
        compare_precisions(Manifest.read(release), release / "model.onnx", tmp_path / "turned.onnx", frames, ANY_SPEED)
    )
    rank = found["rank correlation of epistemic"]
    assert (rank.found, rank.holds) == (pytest.approx(-1.0), False)


def test_the_rank_is_of_the_pixels_that_fp32_doubts(release, frames, tmp_path):
    model = onnx.load(release / "model.onnx")
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["doubted" if name == "total" else name for name in names]
    model.graph.node.append(helper.make_node("Sub", ["doubted", "doubted"], ["total"]))
    onnx.save(model, tmp_path / "sure.onnx")
    files = (release / "model.onnx", tmp_path / "sure.onnx")
    found = by_name(compare_precisions(Manifest.read(release), *files, frames, BOUNDS["fp16"]))
    assert found["rank correlation of epistemic"].found == pytest.approx(1.0)


@pytest.mark.parametrize(("scale", "rank"), [(8.0, 1.0), (-4.0, -1.0)])
def test_where_a_release_tells_novelty_its_rank_is_held_too(frames, tmp_path, scale, rank):
    release = build_release(tmp_path, novelty_limit=2.0)
    onnx.save(closed_form_graph(novel=True, scale=scale), tmp_path / "second.onnx")
    files = (release / "model.onnx", tmp_path / "second.onnx")
    found = by_name(compare_precisions(Manifest.read(release), *files, frames, BOUNDS["fp16"]))
    of_novelty = found["rank correlation of novelty"]
    assert (of_novelty.found, of_novelty.holds) == (pytest.approx(rank), rank > 0)


def test_the_table_says_what_holds_and_what_does_not():
    criteria = [Criterion("speed", 3.0, 2.0, 1.5, "1.4", True), Criterion("rank", 1.0, 0.5, 0.5, ">= 0.97", False)]
    assert table(criteria, "int8").splitlines() == [
        "| | fp32 | int8 | found | asked | holds |",
        "| --- | --- | --- | --- | --- | --- |",
        "| speed | 3 | 2 | 1.5 | 1.4 | yes |",
        "| rank | 1 | 0.5 | 0.5 | >= 0.97 | **no** |",
    ]
    assert as_numbers(criteria) == {"speed": 1.5, "rank": 0.5}
