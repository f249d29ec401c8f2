"""A model's answer to the golden frame, held against what the release expects of that precision, at every batch size in use."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.geometry import RGB
from models.golden import read
from models.manifest import OUTPUTS, ManifestError
from models.maps import SegmentationMaps
from service.errors import ModelUnusable
from service.runtime.model import Model


def check_golden(model: Model, folder: Path) -> None:
    """Hold the golden frame's maps against the expected ones, at every batch size; its novelty, where told, must be possible.

    Raises:
        ModelUnusable: They are too far apart, or cannot be read; a novelty is no number from 0 on.
    """
    golden = model.manifest.goldens.get(model.identity.precision, model.manifest.golden)
    try:
        frame, expected = read(folder, golden, model.manifest.input.size_px)
    except ManifestError as error:
        raise ModelUnusable(str(error)) from error
    for size in model.batch_sizes:
        for prediction in _predict_or_refuse(model, [frame] * size):
            for name in OUTPUTS:
                _check_close(getattr(prediction, name), expected[name], golden.tolerance, f"{name} (batch of {size})")
            _check_novelty(prediction.novelty, f"novelty (batch of {size})")


def _predict_or_refuse(model: Model, frames: Sequence[RGB]) -> list[SegmentationMaps]:
    try:
        return model.predict(frames)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelUnusable(f"the model fails on its golden frame: {error}") from error


def _check_close(found: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float, what: str) -> None:
    if found.shape != expected.shape:
        raise ModelUnusable(f"golden frame, {what}: found shape {found.shape}, expected {expected.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise ModelUnusable(
            f"golden frame, {what}: found a difference of {difference:.3g}, expected at most {tolerance:g}"
        )


def _check_novelty(found: float | None, what: str) -> None:
    if found is not None and not 0.0 <= found < math.inf:
        raise ModelUnusable(f"golden frame, {what}: found {found}, expected a finite number from 0 on")
