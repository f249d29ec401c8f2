"""Frames in which red is smoke: a predictor that reads red knows the truth, and every score has a closed form."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from models.geometry import RGB
from models.maps import SegmentationMaps
from tests.training.rendered import COLUMNS
from training.data.frames import Frame
from training.evaluation.predictor import Predict, Predictor

SIDE = 32


def write_frame(
    folder: Path, name: str, group: str, *, smoke: int = 255, background: int = 0, kind: str = "real_smoke"
) -> Frame:
    """A frame whose left quarter is smoke with red = `smoke`, around it red = `background`; without smoke all is background."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[..., 0] = background
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if kind == "real_smoke":
        image[:, : SIDE // 4, 0] = smoke
        mask[:, : SIDE // 4] = 255
        cv2.imwrite(str(folder / f"{name}-mask.png"), mask)
    cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return Frame(folder / f"{name}.png", folder / f"{name}-mask.png" if mask.any() else None, kind, group)


def write_speck(folder: Path, frame_px: int, rows: slice, columns: slice) -> Frame:
    """Certain smoke on a few pixels of a black frame (frame_px, frame_px), of group a."""
    image, mask = np.zeros((frame_px, frame_px, 3), np.uint8), np.zeros((frame_px, frame_px), np.uint8)
    image[rows, columns, 2] = mask[rows, columns] = 255
    cv2.imwrite(str(folder / "speck.png"), image)
    cv2.imwrite(str(folder / "speck-mask.png"), mask)
    return Frame(folder / "speck.png", folder / "speck-mask.png", "real_smoke", "a")


def write_manifest(folder: Path, frames: Sequence[Frame]) -> Path:
    """The data folder of some frames, all in `val`."""
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        rows.writerows((f.image.name, f.mask.name if f.mask else "", f.kind, f.group, "val") for f in frames)
    return folder


def read_red(frame: RGB) -> SegmentationMaps:
    """The probability is red; half of ln 2 is in doubt everywhere."""
    probability = frame[..., 0].astype(np.float32) / np.float32(255)
    total = np.full(probability.shape, 0.5 * np.log(2), np.float32)
    return SegmentationMaps(probability, total, total / 2, total / 2)


def say_nothing(frame: RGB) -> SegmentationMaps:
    """No smoke and no doubt, whatever the frame."""
    return SegmentationMaps(*(np.zeros(frame.shape[:2], np.float32) for _ in range(4)))


def predictor(predict: Predict, threshold: float | None = None) -> Predictor:
    """A predictor as `evaluate` takes it."""
    return Predictor(predict, SIDE, 0.0002, threshold, "a fake")
