"""The golden frame of a release, fitted to the model, and the maps expected for it."""

from pathlib import Path

import cv2
import numpy as np

from models.geometry import RGB, Map, fit
from models.manifest import OUTPUTS, Golden, ManifestError


def read(folder: Path, golden: Golden, size_px: int) -> tuple[RGB, dict[str, Map]]:
    """The golden frame, fitted, and its expected maps.

    Args:
        folder: Of the release.
        golden: Which frame, and which maps.
        size_px: Side of the model's square.

    Returns:
        (size_px, size_px, 3) uint8 RGB, and by output (size_px, size_px) float32.

    Raises:
        ManifestError: One of them cannot be read.
    """
    try:
        frame = _read_frame(folder / golden.frame)
        with np.load(folder / golden.maps) as archive:
            expected = {name: archive[name] for name in OUTPUTS}
    except (OSError, KeyError, ValueError) as error:
        raise ManifestError(f"{folder}: the golden frame or its maps cannot be read: {error}") from error
    return fit(frame, size_px), expected


def _read_frame(path: Path) -> RGB:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path.name} is no picture")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
