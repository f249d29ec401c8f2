"""Figures 1, 3, 4 and 6 of the paper on one's own data: what each compares is trained on equal terms, then drawn side by side."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.geometry import RGB, Map, fit, fit_map
from training.commands.ablate import TABLES, Row
from training.commands.compare import rows_to_compare
from training.commands.config_file import read_config
from training.commands.progress import RowReporter
from training.config import ConfigError
from training.data.folders import evenly_spaced, frames_to_score
from training.data.frames import REAL_SMOKE, Frame, load_image, load_mask
from training.data.layouts.layout import read_layout
from training.data.transmission import transmission
from training.engine.run import Reporter, train
from training.evaluation import plots
from training.evaluation.evaluate import evaluate
from training.evaluation.pictures import heat
from training.evaluation.predictor import Predictor, load_predictor
from training.metrics.calibration import Calibration
from training.metrics.reliability import RAW
from training.metrics.segmentation import Curve

_SHOWN = 4
_WITHOUT_COHERENCE, _WITH_COHERENCE = TABLES["paper"][:2]


def draw_figure(
    figure: int,
    names: Sequence[str],
    config: Path,
    overrides: Sequence[str],
    data: Sequence[Path],
    out: Path,
    reporter: Reporter[Any],
) -> Path:
    """Train what a figure compares, as far as that is not done, and draw it on frames of `val`.

    Args:
        figure: 1: without and with L_trans, and T. 3: mMSE of what each folder teaches, on each. 4: library, UCNet's CVAE and ours. 6:
            reliability of UCNet's CVAE, of ours without L_c and of ours.
        names: Of the library's networks, for 4.
        config: File or preset, with all losses on.
        overrides: Of all runs, as on the command line.
        data: Data folders; for 3 each with a `train` teaches a model, and each with a `val` scores all.
        out: Gets a run folder for each, shared with `compare`, and the picture.
        reporter: Told of every step.

    Raises:
        ConfigError: A run is no valid configuration, or 3 has fewer than two folders to learn from, or two of one name.
        DataError, LibraryError: The data cannot be used, or a network cannot be had.
    """
    path = out / f"figure-{figure}.png"
    run = partial(_trained, config=config, overrides=overrides, out=out, reporter=reporter)
    if figure == 3:
        plots.error_bars(_errors(data, run), path)
        return path
    models = {row.what: run(row, data) for row in _rows(figure, names)}
    if figure == 6:
        plots.reliability_diagrams({what: _reliability(model, data) for what, model in models.items()}, path)
    else:
        smoke = [frame for frame in frames_to_score(data, "val", None) if frame.kind == REAL_SMOKE]
        shown = [_side_by_side(frame, models, figure) for frame in evenly_spaced(smoke, _SHOWN)]
        plots.picture_grid(shown, path)
    return path


def _rows(figure: int, names: Sequence[str]) -> list[Row]:
    """What is trained for a figure whose models all learn from the same data, in the order in which it is drawn."""
    ours, cvae, *library = rows_to_compare(names if figure == 4 else ())
    if figure == 1:
        return [_WITHOUT_COHERENCE, _WITH_COHERENCE]
    return [*library, cvae, ours] if figure == 4 else [cvae, _WITH_COHERENCE, ours]


def _trained(
    row: Row, data: Sequence[Path], *, config: Path, overrides: Sequence[str], out: Path, reporter: Reporter[Any]
) -> Predictor:
    """A row's model as trained: its probability is calibrated by nothing."""
    resolved = read_config(config, (*overrides, *row.overrides))
    checkpoint = train(resolved, data, out / row.name, RowReporter(row.name, reporter))
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


def _errors(
    data: Sequence[Path], run: Callable[[Row, Sequence[Path]], Predictor]
) -> dict[str, dict[str, tuple[float, Sequence[float]]]]:
    """mMSE with its interval by the folder that taught and the folder that is asked."""
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
        model = run(Row(f"from-{folder.name}", f"trained on {folder.name}"), [folder])
        found[f"trained on {folder.name}"] = {test.name: _error(model, test) for test in tests}
    return found


def _error(model: Predictor, folder: Path) -> tuple[float, Sequence[float]]:
    raw = evaluate(model, folder, "val").report["raw"]
    return raw["squared_error"], raw["intervals"]["squared_error"]
