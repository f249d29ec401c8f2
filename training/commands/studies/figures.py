"""Figures 1, 3, 4 and 6 of the paper on one's own data: what each compares is trained on equal terms, then drawn side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.geometry import RGB, Map, fit, fit_map
from training.commands.progress import RowReporter
from training.commands.studies.ablate import TABLES
from training.commands.studies.compare import rows_to_compare
from training.commands.studies.study import Row, Study
from training.config import ConfigError
from training.data.folders import evenly_spaced, frames_to_score
from training.data.frames import REAL_SMOKE, Frame, load_image, load_mask
from training.data.layouts.layout import read_layout
from training.data.transmission import transmission
from training.engine.run import train
from training.evaluation import plots
from training.evaluation.evaluate import evaluate
from training.evaluation.pictures import heat
from training.evaluation.predictor import Predictor, load_predictor
from training.metrics.calibration import Calibration
from training.metrics.reliability import RAW
from training.metrics.segmentation import Curve

_SHOWN = 4
_WITHOUT_COHERENCE, _WITH_COHERENCE = TABLES["paper"][:2]


def draw_figure(figure: int, names: Sequence[str], study: Study) -> Path:
    """Train what a figure compares, as far as that is not done, and draw it on frames of `val`.

    Args:
        figure: 1: without and with L_trans, and T. 3: mMSE of what each folder teaches, on each. 4: library, UCNet's CVAE and ours. 6:
            reliability of UCNet's CVAE, of ours without L_c and of ours.
        names: Of the library's networks, for 4.
        study: Its configuration has all losses on; of its data for 3 each folder with a `train` teaches a model, and each with a
            `val` scores all; its runs are shared with `compare`, and its folder gets the picture.

    Raises:
        ConfigError: A run is no valid configuration, or 3 has fewer than two folders to learn from, or two of one name.
        DataError, LibraryError: The data cannot be used, or a network cannot be had.
    """
    path = study.out / f"figure-{figure}.png"
    if figure == 3:
        plots.error_bars(_errors(study), path)
        return path
    models = {row.what: _trained(row, study) for row in _rows(figure, names)}
    if figure == 6:
        plots.reliability_diagrams({what: _reliability(model, study.data) for what, model in models.items()}, path)
    else:
        smoke = [frame for frame in frames_to_score(study.data, "val", None) if frame.kind == REAL_SMOKE]
        shown = [_side_by_side(frame, models, figure) for frame in evenly_spaced(smoke, _SHOWN)]
        plots.picture_grid(shown, path)
    return path


def _rows(figure: int, names: Sequence[str]) -> list[Row]:
    """What is trained for a figure whose models all learn from the same data, in the order in which it is drawn."""
    ours, cvae, *library = rows_to_compare(names if figure == 4 else ())
    if figure == 1:
        return [_WITHOUT_COHERENCE, _WITH_COHERENCE]
    return [*library, cvae, ours] if figure == 4 else [cvae, _WITH_COHERENCE, ours]


def _trained(row: Row, study: Study) -> Predictor:
    """A row's model as trained: its probability is calibrated by nothing."""
    resolved, data = study.resolved(*row.overrides), row.data or study.data
    checkpoint = train(resolved, data, study.out / row.name, RowReporter(row.name, study.reporter))
    return load_predictor(checkpoint)._replace(calibration=Calibration())


def _side_by_side(frame: Frame, models: Mapping[str, Predictor], figure: int) -> dict[str, RGB | Map]:
    """A frame's pictures by their titles, each of the models' square: maps are drawn grey, from 0 to 1."""
    image = load_image(frame.image)
    side = next(iter(models.values())).size_px
    square = fit(image, side)
    pictures: dict[str, RGB | Map] = {"image": square, "truth": fit_map(load_mask(frame, image.shape), side)}
    if figure == 1:
        pictures["transmission"] = fit_map(transmission(image), side)
    answers = {what: model.predict(square) for what, model in models.items()}
    pictures |= {what: maps.probability for what, maps in answers.items()}
    if figure == 1:
        pictures["total uncertainty"] = heat(list(answers.values())[-1].total)
    return pictures


def _reliability(model: Predictor, data: Sequence[Path]) -> Curve:
    table = evaluate(model, data, "val").report["calibration_table"]
    return np.asarray(table[RAW]["reliability"])


def _errors(study: Study) -> dict[str, dict[str, tuple[float, Sequence[float]]]]:
    """mMSE with its interval by the folder that taught and the folder that is asked."""
    data = study.data
    splits = {folder: {split for split, _ in read_layout(folder)} for folder in data}
    teachers, tests = ([folder for folder in data if split in splits[folder]] for split in ("train", "val"))
    if len(teachers) < 2:
        raise ConfigError(
            f"figure 3 compares what two data folders teach: found {len(teachers)} with frames of train, expected at least 2 --data"
        )
    if len({folder.name for folder in data}) < len(data):
        raise ConfigError(
            f"figure 3 tells data folders apart by name: found {', '.join(folder.name for folder in data)}"
        )
    found = {}
    for folder in teachers:
        row = Row(f"from-{folder.name}", f"trained on {folder.name}", data=folder)
        model = _trained(row, study)
        found[row.what] = {test.name: _error(model, test) for test in tests}
    return found


def _error(model: Predictor, folder: Path) -> tuple[float, Sequence[float]]:
    raw = evaluate(model, folder, "val").report["raw"]
    return raw["squared_error"], raw["intervals"]["squared_error"]
