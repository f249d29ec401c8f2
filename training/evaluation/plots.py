"""Plots of an evaluation."""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.geometry import RGB, Map, Mask
from models.maps import SegmentationMaps
from training.data.files import write_whole
from training.data.frames import Frame
from training.evaluation.pictures import EPISTEMIC_NATS, beside_truth
from training.evaluation.predictor import Predictor
from training.metrics import segmentation
from training.metrics.reliability import RAW


class PanelRow(NamedTuple):
    """One row of the decomposition panel.

    Attributes:
        name: Easy, median or hard.
        image: In the model's square.
        truth, prediction: Of the same square.
        maps: What the model says.
    """

    name: str
    image: RGB
    truth: Mask
    prediction: Mask
    maps: SegmentationMaps


def panel_row(name: str, frame: Frame, predictor: Predictor, threshold: float) -> PanelRow:
    """A frame with what the model makes of it."""
    square, truth, maps = beside_truth(predictor, frame)
    return PanelRow(name, square, truth, np.asarray(maps.probability >= threshold), maps)


def decomposition_panel(rows: Sequence[PanelRow], path: Path) -> None:
    """Draw image, truth, prediction, aleatoric, epistemic and total uncertainty of some frames, on fixed scales in nats.

    Source: Yan et al. 2022, Fig. 5.
    """
    figure = Figure(figsize=(15, 2.5 * len(rows) + 0.6), layout="constrained")
    grid = figure.subplots(len(rows), 6, squeeze=False)
    scales = (math.log(2), EPISTEMIC_NATS, math.log(2))
    for axes, row in zip(grid, rows, strict=True):
        axes[0].imshow(row.image)
        for column, mask in ((1, row.truth), (2, row.prediction)):
            axes[column].imshow(mask, cmap="gray", vmin=0, vmax=1)
        doubts: tuple[Map, ...] = (row.maps.aleatoric, row.maps.epistemic, row.maps.total)
        drawn = [
            a.imshow(values, cmap="inferno", vmin=0.0, vmax=scale)
            for a, values, scale in zip(axes[3:], doubts, scales, strict=True)
        ]
        axes[0].set_ylabel(row.name)
        for axis in axes:
            axis.set(xticks=[], yticks=[])
    titles = ("image", "truth", "prediction", "aleatoric", "epistemic", "total")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title)
    for column, colours in enumerate(drawn, start=3):
        figure.colorbar(colours, ax=grid[:, column], location="bottom", label="nats", extend="max")
    _save(figure, path, 110)


def picture_grid(rows: Sequence[Mapping[str, RGB | Map]], path: Path) -> None:
    """Draw pictures by their titles, a row a frame, into a PNG file; maps grey from 0 to 1.

    Source: Yan et al. 2022, Fig. 1 and 4.
    """
    titles = list(rows[0])
    figure = Figure(figsize=(2.5 * len(titles), 2.5 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for axis, picture in zip(axes, row.values(), strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title)
    _save(figure, path, 110)


def error_bars(errors: Mapping[str, Mapping[str, tuple[float, Sequence[float]]]], path: Path) -> None:
    """Draw mMSE and its interval by model and test set, a group of bars a test set, into a PNG file.

    Source: Yan et al. 2022, Fig. 3.
    """
    tests = list(next(iter(errors.values())))
    figure = Figure(figsize=(1.5 + 1.5 * len(tests) * len(errors), 4), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(errors)
    for number, (model, own) in enumerate(errors.items()):
        values = np.array([own[test][0] for test in tests])
        ends = np.array([own[test][1] for test in tests]).T
        places = np.arange(len(tests)) + (number - (len(errors) - 1) / 2) * width
        bars = axis.bar(places, values, width, label=model, yerr=np.abs(ends - values), capsize=3)
        axis.bar_label(bars, fmt="%.4f", padding=3)
    axis.set(xticks=range(len(tests)), xticklabels=[f"tested on {test}" for test in tests], ylabel="mMSE")
    axis.margins(y=0.15)
    figure.legend(loc="outside upper center", ncols=len(errors))
    _save(figure, path, 120)


def reliability_columns(report: Mapping[str, Any]) -> dict[str, segmentation.Curve]:
    """The reliability sums (3, 15) that a report is to show, by their name: raw and calibrated, of this model and of one beside it."""
    found: dict[str, segmentation.Curve] = {}
    sources = {"": report} | ({"without L_c, ": report["beside"]} if report.get("beside") else {})
    for who, source in sources.items():
        table = source["calibration_table"]
        names = [name for name in (RAW, source["calibrated_by"]) if name in table]
        found |= {f"{who}{name}": np.asarray(table[name]["reliability"]) for name in names}
    return found


def reliability_diagrams(sums: Mapping[str, segmentation.Curve], path: Path) -> None:
    """Draw how often pixels of each confidence are smoke, and how many there are, side by side, into a PNG file.

    Args:
        sums: By name, per confidence bin the pixels, their probability and their smoke, (3, 15): see `calibration.reliability`.
        path: Of the file.

    Source: Guo et al. 2017, Fig. 1; Yan et al. 2022, Fig. 6.
    """
    figure = Figure(figsize=(4 * len(sums) + 1, 5), layout="constrained")
    grid = figure.subplots(2, len(sums), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False)
    for (name, values), diagram, counts in zip(sums.items(), *grid, strict=True):
        _diagram(diagram, counts, values)
        error = segmentation.expected_calibration_error(values)
        diagram.set_title(f"{name}: ECE {error:.4f}")
    grid[0, 0].set_ylabel("share of smoke")
    grid[1, 0].set_ylabel("pixels")
    _save(figure, path, 120)


def plot_risk_coverage(selective: Mapping[str, Any], path: Path) -> None:
    """Draw the squared error of the pixels kept against the share kept, per order of leaving out, into a PNG file."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    whole, end = figure.subplots(1, 2)
    for axis, start in ((whole, 0.0), (end, 0.9)):
        for order, risk in selective["risk"].items():
            style = {"color": "0.5", "linestyle": "--"} if order == "oracle" else {}
            axis.plot(selective["coverage"], risk, label=order.replace("_", " "), **style)
        axis.set(xlabel="coverage: share of pixels kept", xlim=(start, 1.0), ylim=(0.0, None))
    whole.set_ylabel("mean squared error of them")
    whole.legend()
    _save(figure, path, 120)


def _save(figure: Figure, path: Path, dpi: int) -> None:
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    write_whole(drawn.getvalue(), path)


def _diagram(diagram: Axes, counts: Axes, sums: segmentation.Curve) -> None:
    pixels, confidence, smoke = (row[sums[0] > 0] for row in sums)
    diagram.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    diagram.plot(confidence / pixels, smoke / pixels, marker="o")
    diagram.set(xlim=(0, 1), ylim=(0, 1))
    counts.bar((np.flatnonzero(sums[0]) + 0.5) / segmentation.BINS, pixels, width=0.9 / segmentation.BINS)
    counts.set(xlabel="probability", yscale="log")
