"""A model that has learnt from all camera groups, measured by cross-validation: each frame by a run that has not seen its group."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from models.geometry import RGB, fit
from models.manifest import Manifest
from models.maps import SegmentationMaps
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import Frame, frames_sha256, load_image
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import CheckpointError
from training.evaluation.predictor import Predict, Predictor, calibrated, load_predictor

WHOLE = "all"


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
        if asked.setdefault(_key(fit(load_image(frame.image), model.size_px)), answer) is not answer:
            raise DataError(f"{frame.image}: the same picture as one in another fold; expected it in one camera group")

    def predict(frame: RGB) -> SegmentationMaps:
        return asked[_key(frame)](frame)

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


def _key(frame: RGB) -> bytes:
    return hashlib.sha256(frame.tobytes()).digest()
