"""What is looked at before the first step: every file is there, whole and of the size of its mask, and the masks hold smoke."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from training.data.files import DataError, expect_file
from training.data.frames import SCRIBBLED, Frame, Outlines, load_image, load_mask, read_mask, read_scribble

_SHOWN = 5
_TAIL_BYTES = 4096
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on a file that is damaged."""


class _Seen(NamedTuple):
    """What was found of a frame: what is wrong with it, if anything, and whether its mask holds smoke."""

    fault: str
    smoke: bool


def check_frames(frames: Sequence[Frame]) -> None:
    """Look at the header and the end of every picture, and at every mask.

    Raises:
        DataError: Files are missing, cut off, no pictures or of another size than their masks, a box ends outside, a mask has other
            values than two or scribbles than three, or the masks of all frames of a kind are empty; each with its line of the manifest.
    """
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(_look, frames))
    faults = [f"{frame.origin}: {found.fault}" for frame, found in zip(frames, seen, strict=True) if found.fault]
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise DataError("; ".join([*faults[:_SHOWN], *more]))
    _expect_smoke(zip(frames, seen, strict=True))


def _expect_smoke(frames: Iterable[tuple[Frame, _Seen]]) -> None:
    """Of each manifest and kind that has masks, at least one mask holds smoke: else they are not written as was meant."""
    found: dict[tuple[Path, str], list[bool]] = {}
    for frame, seen in frames:
        if frame.mask:
            found.setdefault((frame.manifest, frame.kind), []).append(seen.smoke)
    for (manifest, kind), smoke in found.items():
        if not any(smoke):
            raise DataError(
                f"{manifest}: the masks of all {len(smoke)} frames of kind {kind} are empty; expected smoke in them"
            )


def fault_of(frame: Frame) -> str:
    """Why a frame cannot be used, with its file; empty where it can."""
    return _look(frame).fault


def _look(frame: Frame) -> _Seen:
    try:
        return _Seen("", _expect_whole(frame))
    except DataError as error:
        return _Seen(str(error), smoke=False)


def _expect_whole(frame: Frame) -> bool:
    """Whether the mask holds smoke; raises DataError where the frame cannot be used."""
    width, height = _header_size(frame.image)
    mask = None
    if isinstance(frame.mask, Outlines):
        mask = load_mask(frame, load_image(frame.image).shape)
    elif frame.mask:
        _header_size(frame.mask)
        mask = read_scribble(frame.mask)[0] if frame.kind == SCRIBBLED else read_mask(frame.mask)
    outside = any(box.x + box.width > width or box.y + box.height > height for box in frame.boxes)
    if outside or (mask is not None and mask.shape != (height, width)):
        # A picture that lies on its side has another size once it is turned upright.
        _expect_fit(frame)
    return mask is not None and bool(mask.any())


def _expect_fit(frame: Frame) -> None:
    shape = load_image(frame.image).shape
    load_mask(frame, shape)
    for box in frame.boxes:
        if box.x + box.width > shape[1] or box.y + box.height > shape[0]:
            raise DataError(
                f"{frame.image}: a box ends at {box.x + box.width} {box.y + box.height}, the picture at {shape[1]} {shape[0]}"
            )


def _header_size(path: Path) -> tuple[int, int]:
    """Width and height by the header. Raises DataError where there is no picture, or it ends too early."""
    expect_file(path)
    try:
        with Image.open(path) as picture:
            if not _ends_well(path, picture.format or ""):
                picture.load()
            return picture.size
    except _BROKEN as error:
        raise DataError(f"{path}: not a picture, or a damaged one: {error}") from error


def _ends_well(path: Path, kind: str) -> bool:
    """Whether the end of the file is there, as far as its format has one; where it is not, only decoding tells."""
    with path.open("rb") as stream:
        head = stream.read(12)
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = stream.read()
    if kind == "WEBP":
        return path.stat().st_size >= 8 + int.from_bytes(head[4:8], "little")
    return _ENDS.get(kind, b"") in tail
