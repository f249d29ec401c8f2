"""A picture on disk, what is known of its smoke, and both as arrays."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from models.geometry import RGB, Box, Map
from training.data.files import DataError, expect_file, write_whole
from training.data.masks import Pixels, smoke_of, strokes_of

REAL_SMOKE = "real_smoke"
SYNTHETIC = "synthetic"
SMOKE_FREE = ("clear", "hard_negative")
BOXED = "real_smoke_box"
"""Smoke of which only boxes are known: somewhere in each there is smoke. Trained on, never scored."""
SCRIBBLED = "real_smoke_scribble"
"""Smoke of which only strokes are known, on it and beside it. Trained on, never scored."""
_NEAR = 0.25


@dataclass(frozen=True, slots=True)
class Outlines:
    """Smoke that an annotation file draws.

    Attributes:
        file: Which file.
        drawn: JSON: a list of segmentations as COCO writes them, each polygons [[x0, y0, x1, y1, ...], ...] in pixels or run lengths.
    """

    file: Path
    drawn: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture on disk.

    Attributes:
        image: Path of the picture.
        mask: Path of its mask, see `training.data.masks`, of its scribbles, or its outlines; None for a smoke-free frame, and where
            only boxes are known.
        kind: real_smoke, real_smoke_box, real_smoke_scribble, synthetic, clear or hard_negative.
        group: Camera or event; frames of one group are near-duplicates and never split.
        boxes: Around its smoke, in pixels of the picture; of real_smoke_box alone.
        manifest: Which file or folder lists it.
        line: In that file; 0 where there is none.
        weight: How many times as often as others of its source it is drawn.
    """

    image: Path
    mask: Path | Outlines | None
    kind: str
    group: str
    boxes: tuple[Box, ...] = ()
    manifest: Path = field(default=Path(), compare=False)
    line: int = field(default=0, compare=False)
    weight: float = 1.0

    @property
    def origin(self) -> str:
        """Where to look when it is refused."""
        return f"{self.manifest}, line {self.line}" if self.line else str(self.manifest)


def frames_sha256(frames: Sequence[Frame]) -> str:
    """Identifies what is learnt from or scored on: pictures and what is known of them, by name and size, wherever the folder lies."""
    told = [
        (*_identity(frame.image), *_identity(frame.mask), frame.kind, frame.group, frame.boxes)
        + (frame.weight,) * (frame.weight != 1.0)
        for frame in frames
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def expect_unchanged(before: str, now: Sequence[Frame]) -> None:
    """Raises DataError where frames are not those of which `frames_sha256` was `before`: what came of them is of neither."""
    if frames_sha256(now) != before:
        raise DataError(
            f"{now[0].manifest}: found other frames than at the beginning, expected none to be added, removed or replaced meanwhile; "
            "begin again"
        )


def load_image(path: Path) -> RGB:
    """Decode a picture to RGB (height, width, 3) uint8, EXIF orientation applied. Raises DataError."""
    image = _decode(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def write_png(pixels: Pixels, path: Path, *, smallest: bool = False) -> None:
    """Write RGB (height, width, 3) or grey (height, width) as PNG, whole; an eighth smaller where it may take its time.

    Raises OSError where it cannot be: OpenCV's own writing says on a full disk that it wrote, and leaves an empty file.
    """
    level = [cv2.IMWRITE_PNG_COMPRESSION, 9] if smallest else []
    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels, level)
    write_whole(encoded.tobytes(), path)


def load_mask(frame: Frame, shape: tuple[int, ...]) -> Map:
    """The truth of a frame as (height, width) float32 of 0.0 and 1.0; all zero where the frame has no mask, or it is not known.

    Args:
        frame: Whose truth.
        shape: The image's shape, which the mask must have.

    Raises:
        DataError: The mask is missing, unreadable, of another size or of other values than were expected.
    """
    if frame.mask is None:
        return np.zeros(shape[:2], np.float32)
    if isinstance(frame.mask, Outlines):
        mask = _draw(frame.mask, shape)
    else:
        mask = read_scribble(frame.mask)[0] if frame.kind == SCRIBBLED else read_mask(frame.mask)
    _expect_size(frame, mask, shape)
    return mask


def read_mask(path: Path) -> Map:
    """A mask as (height, width) float32 of 0.0 and 1.0. Raises DataError where it is none."""
    try:
        return smoke_of(_decode(path, cv2.IMREAD_UNCHANGED))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _decode(path: Path, flags: int) -> Pixels:
    """What OpenCV reads from the bytes of a file: of a name that is no UTF-8 it dies."""
    expect_file(path)
    try:
        encoded = np.fromfile(path, np.uint8)
        pixels = cv2.imdecode(encoded, flags) if encoded.size else None
    except (OSError, cv2.error) as error:
        raise DataError(f"{path}: not a picture that OpenCV can read: {error}") from error
    if pixels is None:
        raise DataError(f"{path}: not a picture that OpenCV can read")
    return np.asarray(pixels)


def read_scribble(path: Path) -> tuple[Map, Map]:
    """Where strokes are on smoke, and where there are any, each (height, width) float32 of 0.0 and 1.0.

    Raises:
        DataError: It is no picture, or has other values than 0, 1 and 2.
    """
    expect_file(path)
    try:
        with Image.open(path) as picture:
            pixels: Pixels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: not a picture that Pillow can read: {error}") from error
    try:
        return strokes_of(pixels)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def load_known(frame: Frame, shape: tuple[int, ...]) -> Map:
    """Where the mask of a frame says the truth, as (height, width) float32 of 0.0 and 1.0.

    That is everywhere; of scribbles, under the strokes; with boxes, everywhere but in and near them. Near is within a quarter of the
    box's side, since boxes of thin smoke are loose on either side. Raises DataError as `load_mask`.
    """
    if frame.kind == SCRIBBLED and isinstance(frame.mask, Path):
        drawn = read_scribble(frame.mask)[1]
        _expect_size(frame, drawn, shape)
        return drawn
    known = np.ones(shape[:2], np.float32)
    for box in frame.boxes:
        across, down = round(_NEAR * box.width) + 1, round(_NEAR * box.height) + 1
        rows = slice(max(0, box.y - down), box.y + box.height + down)
        known[rows, max(0, box.x - across) : box.x + box.width + across] = 0.0
    return known


def _identity(of: Path | Outlines | None) -> tuple[object, ...]:
    """Name and bytes of a file, which is as well the same where it cannot be looked at; or what is drawn."""
    if not isinstance(of, Path):
        return (of and of.drawn,)
    try:
        return of.name, of.stat().st_size
    except OSError:
        return of.name, None


def _expect_size(frame: Frame, mask: Map, shape: tuple[int, ...]) -> None:
    if mask.shape != tuple(shape[:2]):
        raise DataError(f"{frame.mask}: mask is {mask.shape}, its image {frame.image.name} is {tuple(shape[:2])}")


def _draw(outlines: Outlines, shape: tuple[int, ...]) -> Map:
    """All that is outlined, as (height, width) of 0.0 and 1.0. Raises DataError where an outline cannot be drawn."""
    height, width = shape[:2]
    mask = np.zeros((height, width), np.float32)
    for segmentation in json.loads(outlines.drawn):
        try:
            found = coco_mask.frPyObjects(segmentation, height, width)
            parts = coco_mask.decode(found if isinstance(found, list) else [found])
        except Exception as error:
            raise DataError(f"{outlines.file}: a segmentation that cannot be drawn: {error}") from error
        if parts.shape[:2] != (height, width):
            raise DataError(f"{outlines.file}: run lengths of {parts.shape[:2]}, the picture is {(height, width)}")
        mask[parts.any(axis=2)] = 1.0
    if not mask.any():
        raise DataError(f"{outlines.file}: what is drawn there covers no pixel")
    return mask
