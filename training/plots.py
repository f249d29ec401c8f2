"""Plots of an evaluation."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training import metrics


def reliability_diagram(sums: metrics.Curve, path: Path) -> None:
    """Draw how often pixels of each confidence are smoke, and how many there are, into a PNG file.

    Args:
        sums: Per confidence bin the pixels, their probability and their smoke, (3, 15): see `calibration.reliability`.
        path: Of the file.

    Source: Guo et al. 2017, Fig. 1; Yan et al. 2022, Fig. 6.
    """
    pixels, confidence, smoke = (row[sums[0] > 0] for row in sums)
    figure = Figure(figsize=(5, 6), layout="constrained")
    diagram, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    diagram.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="calibrated")
    diagram.plot(confidence / pixels, smoke / pixels, marker="o", label="measured")
    diagram.set(ylabel="share of smoke", xlim=(0, 1), ylim=(0, 1))
    diagram.legend()
    counts.bar((np.flatnonzero(sums[0]) + 0.5) / metrics.BINS, pixels, width=0.9 / metrics.BINS)
    counts.set(xlabel="probability", ylabel="pixels", yscale="log")
    figure.savefig(path, dpi=120)
