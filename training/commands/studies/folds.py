"""Cross-validation: one configuration trained without each part of the camera groups in turn, and once with all of them."""

import argparse
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from models.geometry import RGB, fit
from models.manifest import Manifest
from models.maps import SegmentationMaps
from training.audit.split import write_data
from training.commands.progress import RowReporter
from training.commands.studies.study import Study, study_of
from training.config import Config, ConfigError
from training.data.files import DataError, made
from training.data.folders import read_frames
from training.data.frames import SMOKE_FREE, SYNTHETIC, Frame, frames_sha256, load_image
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import CheckpointError
from training.engine.run import train
from training.evaluation.predictor import Predict, Predictor, calibrated, frame_key, load_predictor

WHOLE = "all"
_FEWEST = 2
_NEW_WEIGHT = 2.4
"""Of frames of `val` that join `train`: initial networks have not learnt from them yet, and the run is short."""


def run_folds(options: argparse.Namespace, config: Config, out: Path, console: Console) -> None:
    """`train --folds`: the runs, and the command that measures the last by the others."""
    if options.folds < _FEWEST or options.seeds > 1:
        raise ConfigError(
            f"found --folds {options.folds} and --seeds {options.seeds}, expected two folds or more, of one seed"
        )
    with study_of(options, out, console) as study:
        last = train_folds(options.folds, study)
    data = " ".join(f"--data {folder}" for folder in options.data)
    split = "val" if config.initial else "all"
    console.print(
        f"done: {last}; measure it: smoke-bvm-train evaluate {last} {data} --split {split} --folds {out}",
        markup=False,
        soft_wrap=True,
    )


def train_folds(count: int, study: Study) -> Path:
    """Train a configuration once for each fold of the camera groups, which it does not see, and then with all groups.

    Where the configuration has initial networks, those have learnt from `train`: the groups of `val` alone are dealt out, and those
    that a run sees are drawn more often than others. From the encoder's weights on all groups are dealt out.

    Args:
        count: Folds, at least 2.
        study: Its folder gets a run and a data folder a fold (`fold-1`, `data-fold-1`, ...), and those with all groups (`all`,
            `data-all`).

    Returns:
        The checkpoint of the run with all groups, which `evaluate --folds` measures by the others.

    Raises:
        DataError: There are fewer groups with smoke to deal out than folds, or the folders are there, and made of other frames.
    """
    resolved, out = study.resolved(), study.out
    kept, dealt = read_frames(study.data, "train"), read_frames(study.data, "val")
    if resolved.initial:
        dealt = [replace(frame, weight=_NEW_WEIGHT * frame.weight) for frame in dealt]
    else:
        kept, dealt = [f for f in kept if f.kind == SYNTHETIC], [f for f in (*kept, *dealt) if f.kind != SYNTHETIC]
    folds, of = deal(dealt, count), f"{frames_sha256([*kept, *dealt])} {count}"
    for number in range(1, count + 2):
        name = fold_name(number) if number <= count else WHOLE
        with made(data_of(out, name), of) as begun:
            if begun:
                left_out = [frame for frame in dealt if folds[frame.group] == number]
                write_data(begun, [*kept, *(frame for frame in dealt if folds[frame.group] != number)], left_out)
        checkpoint = train(resolved, data_of(out, name), out / name, RowReporter(name, study.reporter))
    return checkpoint


def deal(frames: Sequence[Frame], count: int) -> dict[str, int]:
    """The fold, 1 to `count`, of each camera group: the largest first, each to the fold that has the fewest frames so far.

    Groups with smoke are dealt out by their frames with smoke, then the others by all of theirs. Raises DataError where fewer groups
    have smoke than there are folds.
    """
    smoke = Counter(frame.group for frame in frames if frame.kind not in SMOKE_FREE)
    if len(smoke) < count:
        raise DataError(
            f"smoke frames of {len(smoke)} camera groups to deal out, expected at least {count}, one a fold"
        )
    free = Counter(frame.group for frame in frames if frame.group not in smoke)
    folds = {}
    for groups in (smoke, free):
        filled = [(0, number) for number in range(1, count + 1)]
        for group, size in sorted(groups.items(), key=lambda item: (-item[1], item[0])):
            held, number = heapq.heappop(filled)
            folds[group] = number
            heapq.heappush(filled, (held + size, number))
    return folds


def fold_name(number: int) -> str:
    """Of the run that does not see a fold, numbered from 1."""
    return f"fold-{number}"


def data_of(out: Path, name: str) -> Path:
    """The data folder of a run: what it learns from is `train`, what it does not see is `val`."""
    return out / f"data-{name}"


def out_of_fold(model: Predictor, path: Path, out: Path, frames: Sequence[Frame]) -> Predictor:
    """The model as cross-validation measures it: asked of one of these frames, the run answers that has not seen its group.

    Args:
        model: Of all groups; a release's calibration is put on the answers of the folds as well.
        path: Where it lies: the checkpoint of `all`, or a release made of it.
        out: Where `train --folds` left its runs.
        frames: Those that will be asked for, each of a group that was left out of one run.

    Raises:
        CheckpointError: A run is missing, not done, of another configuration than the model, or has learnt from other frames than its
            data folder lists now.
        DataError: There are no folds, a frame is in none, or the same picture is in two.
    """
    answers, folds = _answers(out, _configuration(path))
    asked: dict[bytes, Predict] = {}
    for frame in frames:
        answer = answers.get(frame.image.resolve())
        if answer is None:
            raise DataError(f"{frame.image}: in no fold of {out}; expected one of the frames that its runs left out")
        if asked.setdefault(frame_key(fit(load_image(frame.image), model.size_px)), answer) is not answer:
            raise DataError(f"{frame.image}: the same picture as one in another fold; expected it in one camera group")

    latest: list[Predict] = []

    def predict(frame: RGB) -> SegmentationMaps:
        """A view that is none of the frames is a close-up of the one that was asked for last."""
        latest[:] = [asked.get(frame_key(frame), *latest)]
        return latest[0](frame)

    shown = calibrated(predict, model.calibration) if model.calibration else predict
    return model._replace(predict=shown, folds=folds)


def _configuration(path: Path) -> str:
    """The sha256 of the configuration of a checkpoint or a release."""
    return (
        str(Manifest.read(path).provenance.get("configuration_sha256"))
        if path.is_dir()
        else checkpoints.load(path).config.sha256()
    )


def _answers(out: Path, configuration: str) -> tuple[dict[Path, Predict], int]:
    """The run that answers, by the picture that it has not seen, and how many runs there are, all of one configuration."""
    answers: dict[Path, Predict] = {}
    number = 1
    while data_of(out, fold_name(number)).is_dir():
        folder, checkpoint = data_of(out, fold_name(number)), out / fold_name(number) / checkpoints.LAST
        found = checkpoints.load(checkpoint)
        if found.config.sha256() != configuration:
            raise CheckpointError(
                f"{checkpoint}: of configuration {found.config.sha256()[:12]}, expected that of the model, {configuration[:12]}"
            )
        if found.frames_sha256 != frames_sha256(read_frames(folder, "train")):
            raise CheckpointError(
                f"{checkpoint}: has learnt from other frames than {folder} lists; run `train --folds` anew"
            )
        if not found.done:
            raise CheckpointError(
                f"{checkpoint}: stopped after step {found.step} of phase {found.phase}; run `train --folds` on"
            )
        predict = load_predictor(checkpoint).predict
        answers |= {frame.image.resolve(): predict for frame in read_frames(folder, "val")}
        number += 1
    if number == 1:
        raise DataError(f"{out}: no folder {data_of(out, fold_name(1)).name}; expected the --out of `train --folds`")
    return answers, number - 1
