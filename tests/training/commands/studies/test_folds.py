"""Cross-validation: who is dealt into which fold, what each run learns from, and that only a run that has not seen a frame answers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from models.geometry import fit
from tests.training.commands.studies.test_ablate import SHORT
from tests.training.conftest import Notes, Run
from training.__main__ import main
from training.commands.studies.folds import WHOLE, data_of, deal, fold_name, out_of_fold, train_folds
from training.commands.studies.study import Study
from training.data.files import DataError
from training.data.folders import frames_to_score, read_frames
from training.data.frames import Frame, load_image
from training.engine.checkpoint import CheckpointError
from training.evaluation.predictor import Predictor, load_predictor


def frames_of(**sizes: tuple[int, int]) -> list[Frame]:
    """So many frames with smoke and without in each group."""
    kinds = [(group, ("real_smoke",) * smoke + ("clear",) * free) for group, (smoke, free) in sizes.items()]
    return [Frame(Path(f"{group}-{n}.png"), None, kind, group) for group, of in kinds for n, kind in enumerate(of)]


@pytest.fixture(scope="module")
def cross_validated(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of the groups of val, on top of the tiny run; read only."""
    out = tmp_path_factory.mktemp("folds")
    train_folds(2, Study(Path("tiny"), (*SHORT, f"initial={tiny_run.checkpoint}"), [tiny_run.data], out, Notes()))
    return out


def groups(folder: Path, split: str) -> dict[str, float]:
    """The camera groups of a split, with the weight of their frames."""
    return {frame.group: frame.weight for frame in read_frames(folder, split) if frame.kind != "synthetic"}


def test_folds_have_about_as_many_frames_with_smoke_and_as_many_without():
    folds = deal(frames_of(a=(6, 1), b=(3, 0), c=(2, 5), d=(1, 0), e=(0, 4), f=(0, 3), g=(0, 1)), 2)
    assert folds == {"a": 1, "b": 2, "c": 2, "d": 2, "e": 1, "f": 2, "g": 2}


def test_fewer_groups_with_smoke_than_folds_are_refused():
    with pytest.raises(DataError, match="smoke frames of 2 camera groups to deal out, expected at least 3, one a fold"):
        deal(frames_of(a=(2, 0), b=(1, 0), c=(0, 9)), 3)


def answering(out: Path, frames: Sequence[Frame]) -> Predictor:
    """The model of all groups, measured by the runs beside it."""
    checkpoint = out / WHOLE / "last.ckpt"
    return out_of_fold(load_predictor(checkpoint), checkpoint, out, frames)


@pytest.mark.slow
def test_on_top_of_initial_networks_the_groups_of_val_take_turns_and_weigh_more(cross_validated: Path, tiny_run: Run):
    own, dealt = groups(tiny_run.data, "train"), set(groups(tiny_run.data, "val"))
    left_out = [groups(data_of(cross_validated, fold_name(number)), "val") for number in (1, 2)]
    assert [len(each) for each in left_out] == [1, 1]
    assert set().union(*left_out) == dealt
    for number, out in enumerate(left_out, start=1):
        learned = groups(data_of(cross_validated, fold_name(number)), "train")
        assert learned == own | dict.fromkeys(dealt - set(out), 2.4)
    assert groups(data_of(cross_validated, WHOLE), "train") == own | dict.fromkeys(dealt, 2.4)


@pytest.mark.slow
def test_from_the_encoders_weights_on_all_groups_take_turns(data: Path, tmp_path: Path):
    train_folds(
        4, Study(Path("tiny"), (*SHORT, "generator.stages=[{steps=1,batch=2,size_px=64}]"), [data], tmp_path, Notes())
    )
    everyone = groups(data, "all")
    left_out = [groups(data_of(tmp_path, fold_name(number)), "val") for number in (1, 2, 3, 4)]
    assert sorted(group for each in left_out for group in each) == sorted(everyone)
    assert set(everyone.values()) == {1.0}


@pytest.mark.slow
def test_each_frame_is_answered_by_the_run_that_has_not_seen_its_camera(cross_validated: Path, tiny_run: Run):
    frames = frames_to_score(tiny_run.data, "val", None)
    model = answering(cross_validated, frames)
    assert model.folds == 2
    for number in (1, 2):
        run = load_predictor(cross_validated / fold_name(number) / "last.ckpt")
        for frame in read_frames(data_of(cross_validated, fold_name(number)), "val"):
            fitted = fit(load_image(frame.image), model.size_px)
            assert np.array_equal(model.predict(fitted).probability, run.predict(fitted).probability)
            assert not np.array_equal(
                model.predict(fitted).probability,
                load_predictor(cross_validated / WHOLE / "last.ckpt").predict(fitted).probability,
            )


@pytest.mark.slow
def test_evaluate_says_that_it_measured_out_of_fold(cross_validated: Path, tiny_run: Run, tmp_path: Path):
    checkpoint, out = cross_validated / WHOLE / "last.ckpt", tmp_path / "out"
    arguments = ["evaluate", str(checkpoint), "--data", str(tiny_run.data), "--folds", str(cross_validated)]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "by the one of 2 runs that has not seen its camera group" in (out / "report.md").read_text()


@pytest.mark.slow
def test_a_frame_that_no_run_left_out_is_refused(cross_validated: Path, tiny_run: Run):
    frames = frames_to_score(tiny_run.data, "train", None)
    with pytest.raises(DataError, match=r"cam-a-0\.png: in no fold of .*expected one of the frames that its runs left"):
        answering(cross_validated, frames)


@pytest.mark.slow
def test_a_run_that_learned_from_other_frames_than_its_folder_lists_is_refused(
    cross_validated: Path, tiny_run: Run, tmp_path: Path
):
    swapped = shutil.copytree(cross_validated, tmp_path.with_name("swapped"))
    shutil.copytree(data_of(swapped, WHOLE), data_of(swapped, fold_name(1)), dirs_exist_ok=True)
    with pytest.raises(
        CheckpointError, match=r"fold-1/last\.ckpt: has learnt from other frames than .*data-fold-1 lists"
    ):
        answering(swapped, frames_to_score(tiny_run.data, "val", None))


@pytest.mark.slow
def test_a_model_of_another_configuration_is_refused(cross_validated: Path, tiny_run: Run):
    with pytest.raises(
        CheckpointError, match=r"fold-1/last\.ckpt: of configuration \w{12}, expected that of the model"
    ):
        out_of_fold(load_predictor(tiny_run.checkpoint), tiny_run.checkpoint, cross_validated, ())


@pytest.mark.slow
def test_a_picture_that_lies_in_two_folds_is_refused(tiny_run: Run, tmp_path: Path):
    data = shutil.copytree(tiny_run.data, tmp_path / "data")
    for kind in ("img", "gt"):
        shutil.copyfile(data / kind / "cam-c-0.png", data / kind / "cam-d-0.png")
    out = tmp_path / "out"
    train_folds(2, Study(Path("tiny"), (*SHORT, f"initial={tiny_run.checkpoint}"), [data], out, Notes()))
    with pytest.raises(DataError, match=r"cam-d-0\.png: the same picture as one in another fold"):
        answering(out, frames_to_score(data, "val", None))


@pytest.mark.parametrize("other", [["--tiles", "2x2"], ["--samples", "3"], ["--precision", "int8"]])
def test_runs_answer_whole_frames_in_one_pass_and_in_fp32(other: list[str], tiny_run: Run, tmp_path: Path, capsys):
    command = ["evaluate", str(tiny_run.checkpoint), "--data", str(tiny_run.data), "--folds", str(tmp_path)]
    assert main([*command, *other]) == 2
    assert "found --folds with --tiles, --samples or --precision, expected it without" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_was_stopped_is_refused(cross_validated: Path, tmp_path: Path):
    stopped = shutil.copytree(cross_validated, tmp_path.with_name("stopped")) / fold_name(2) / "last.ckpt"
    torch.save(torch.load(stopped, weights_only=True) | {"step": 5}, stopped)
    with pytest.raises(CheckpointError, match=r"fold-2/last\.ckpt: stopped after step 5 of phase generator"):
        answering(tmp_path.with_name("stopped"), frames_of())


def test_a_folder_without_folds_is_refused(tiny_run: Run, tmp_path: Path):
    with pytest.raises(DataError, match="no folder data-fold-1; expected the --out of `train --folds`"):
        out_of_fold(load_predictor(tiny_run.checkpoint), tiny_run.checkpoint, tmp_path, ())


@pytest.mark.parametrize("wrong", [["--folds", "1"], ["--folds", "3", "--seeds", "2"]])
def test_one_fold_and_folds_of_several_seeds_are_refused(wrong: list[str], data: Path, capsys):
    assert main(["train", "tiny", "--data", str(data), *wrong]) == 2
    assert "expected two folds or more, of one seed" in capsys.readouterr().err
