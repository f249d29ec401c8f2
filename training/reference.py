"""What frames looked like to a model when it was released, so that the service can tell that a camera's frames have drifted."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from models.drift import DRIFTING, Histogram
from training.scores import FrameScore

_BINS = 10


def reference(scores: Sequence[FrameScore]) -> dict[str, dict[str, Any]]:
    """Per quantity of DRIFTING a histogram over the frames, in bins that hold a tenth of them each where the values allow."""
    return {name: asdict(_histogram([score.looks[name] for score in scores])) for name in DRIFTING}


def _histogram(values: Sequence[float]) -> Histogram:
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)))
    if len(edges) < 3:
        edges = np.array([edges[0] - 1e-6, edges[0], edges[-1] + 1e-6])
    return Histogram.of(values, edges.tolist())
