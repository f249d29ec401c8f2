"""Reads a data folder: real frames with masks, smoke-free frames, and which camera each comes from.

Layout: `manifest.csv` with the columns file, mask, kind, group, split and, for frames with boxes only, boxes; and optionally
`smoke5k_synthetic/{img,gt}`, which has no camera and belongs to `train`. Several folders are read one after the other, as if they were
one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from models.geometry import RGB, Box, Map
from training.data.files import others_of, pictures_of
from training.data.manifest import COLUMNS, read_rows
from training.data.masks import smoke_of

Split = Literal["train", "val", "all"]
Folders = Path | Sequence[Path]

REAL_SMOKE = "real_smoke"
SYNTHETIC = "synthetic"
SMOKE_FREE = ("clear", "hard_negative")
BOXED = "real_smoke_box"
"""Smoke of which only boxes are known: somewhere in each there is smoke. Trained on, never scored."""
_KINDS = (REAL_SMOKE, SYNTHETIC, *SMOKE_FREE, BOXED)
_MANIFEST = "manifest.csv"
_SYNTHETIC_FOLDER = "smoke5k_synthetic"
_NEAR = 0.25


class DataError(ValueError):
    """A data folder, an image or a mask is not what was expected; the message names the file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture on disk.

    Attributes:
        image: Path of the picture.
        mask: Path of its mask, see `training.data.masks`; None for a smoke-free frame, and where only boxes are known.
        kind: real_smoke, real_smoke_box, synthetic, clear or hard_negative.
        group: Camera or event; frames of one group are near-duplicates and never split.
        boxes: Around its smoke, in pixels of the picture; of real_smoke_box alone.
        manifest: Which file lists it, or the folder of the synthetic part.
        line: In that file; 0 where there is none.
    """

    image: Path
    mask: Path | None
    kind: str
    group: str
    boxes: tuple[Box, ...] = ()
    manifest: Path = field(default=Path(), compare=False)
    line: int = field(default=0, compare=False)

    @property
    def origin(self) -> str:
        """Where to look when it is refused."""
        return f"{self.manifest}, line {self.line}" if self.line else str(self.manifest)


def read_frames(roots: Folders, split: Split) -> list[Frame]:
    """The frames of a split that each folder's `manifest.csv` lists, in its order, and for `train` its synthetic part after them.

    Raises:
        DataError: A folder is named twice or has no manifest, a row cannot be used, a file or a group would be in both splits, or no
            folder has a frame of the split.
    """
    folders = _folders(roots)
    again = [str(root) for root, count in Counter(root.resolve() for root in folders).items() if count > 1]
    if again:
        raise DataError(f"{again[0]}: named twice; its frames would count twice")
    listed = {root: _listed(root) for root in folders}
    _expect_apart([row for rows in listed.values() for row in rows])
    frames = []
    for root, rows in listed.items():
        frames += [frame for of, frame in rows if split in ("all", of)]
        frames += [] if split == "val" else _synthetic(root)
    if not frames:
        raise DataError(f"{', '.join(str(root / _MANIFEST) for root in folders)}: no frame of split {split!r}")
    return frames


def _listed(root: Path) -> list[tuple[str, Frame]]:
    """Split and frame of each row of a folder's manifest."""
    manifest = root / _MANIFEST
    if not manifest.is_file():
        raise DataError(f"{manifest}: not found; expected a data folder with a manifest.csv ({', '.join(COLUMNS)})")
    try:
        return [(row["split"], _frame(root, row, manifest, line)) for line, row in read_rows(manifest)]
    except ValueError as error:
        raise DataError(str(error)) from error


def _expect_apart(rows: Sequence[tuple[str, Frame]]) -> None:
    """Raises DataError where a file is listed twice, or a group is in both splits: its scores would be of what was learnt by heart."""
    files: dict[Path, Frame] = {}
    groups: dict[str, tuple[str, Frame]] = {}
    for split, frame in rows:
        first = files.setdefault(frame.image, frame)
        if first is not frame:
            raise DataError(f"{frame.origin}: {frame.image.name} is listed twice, before at {first.origin}")
        other, of = groups.setdefault(frame.group, (split, frame))
        if other != split:
            raise DataError(f"{frame.origin}: group {frame.group!r} is in split {split}, and in {other} at {of.origin}")


def load_image(path: Path) -> RGB:
    """Decode a picture to RGB (height, width, 3) uint8, EXIF orientation applied. Raises DataError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: {'not a picture that OpenCV can read' if path.is_file() else 'not found'}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def load_mask(frame: Frame, shape: tuple[int, ...]) -> Map:
    """The truth of a frame as (height, width) float32 of 0.0 and 1.0; all zero where the frame has no mask.

    Args:
        frame: Whose truth.
        shape: The image's shape, which the mask must have.

    Raises:
        DataError: The mask is missing, unreadable, of another size or of more values than two.
    """
    if frame.mask is None:
        return np.zeros(shape[:2], np.float32)
    mask = read_mask(frame.mask)
    if mask.shape != tuple(shape[:2]):
        raise DataError(f"{frame.mask}: mask is {mask.shape}, its image {frame.image.name} is {tuple(shape[:2])}")
    return mask


def read_mask(path: Path) -> Map:
    """A mask as (height, width) float32 of 0.0 and 1.0. Raises DataError where it is none."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DataError(f"{path}: not found or not a picture")
    try:
        return smoke_of(pixels)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def load_known(frame: Frame, shape: tuple[int, ...]) -> Map:
    """Where the mask of a frame says the truth, as (height, width) float32 of 0.0 and 1.0: everywhere but in and near its boxes.

    Near is within a quarter of the box's side, since boxes of thin smoke are loose on either side.
    """
    known = np.ones(shape[:2], np.float32)
    for box in frame.boxes:
        across, down = round(_NEAR * box.width) + 1, round(_NEAR * box.height) + 1
        rows = slice(max(0, box.y - down), box.y + box.height + down)
        known[rows, max(0, box.x - across) : box.x + box.width + across] = 0.0
    return known


def frames_to_score(data: Folders, split: str, subset: Path | None) -> list[Frame]:
    """The real frames of a split whose smoke is known by the pixel, or those of them that a list names. Raises DataError."""
    frames = [frame for frame in read_frames(data, split) if frame.kind not in (SYNTHETIC, BOXED)]  # type: ignore[arg-type]
    return choose(frames, data, subset) if subset else frames


def skipped(roots: Folders) -> list[Path]:
    """What lies in the folders of the synthetic parts and is no picture by its name."""
    folders = [root / _SYNTHETIC_FOLDER / name for root in _folders(roots) for name in ("img", "gt")]
    return [path for folder in folders for path in others_of(folder)]


def choose(frames: Sequence[Frame], data: Folders, subset: Path) -> list[Frame]:
    """The frames that a list names, in its order; each once.

    Args:
        frames: To choose from: those of a split.
        data: Data folder or folders, to one of which each name is relative.
        subset: Text file; empty lines are skipped.

    Raises:
        DataError: The list cannot be read, names nothing, or names a frame that is not there.
    """
    try:
        names = [line.strip() for line in subset.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{subset}: no list of frames: {error}") from error
    roots = _folders(data)
    known = {frame.image: frame for frame in frames}
    found = {name: known[root / name] for name in names for root in roots if root / name in known}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DataError(
            f"{subset}: {len(unknown)} of {len(names)} names are of no frame of the split, the first is {unknown[0]!r}; expected "
            "paths as in the manifest's column file"
        )
    if not names:
        raise DataError(f"{subset}: names no frame")
    return [found[name] for name in dict.fromkeys(names)]


def evenly_spaced(frames: Sequence[Frame], count: int) -> list[Frame]:
    """At most `count` frames, evenly over the sequence."""
    positions = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[position] for position in positions]


def _frame(root: Path, row: dict[str, str], manifest: Path, line: int) -> Frame:
    where = f"{manifest}, line {line}"
    if row["kind"] not in _KINDS:
        raise DataError(f"{where}: kind {row['kind']!r} of {row['file']}, expected one of {', '.join(_KINDS)}")
    boxes = _boxes(row, where) if row["kind"] == BOXED else ()
    if bool(row["mask"]) == (row["kind"] in (*SMOKE_FREE, BOXED)):
        raise DataError(f"{where}: {row['file']} is {row['kind']} and its mask is {row['mask']!r}")
    mask = root / row["mask"] if row["mask"] else None
    return Frame(root / row["file"], mask, row["kind"], row["group"], boxes, manifest, line)


def _boxes(row: dict[str, str], where: str) -> tuple[Box, ...]:
    """The column `boxes`: x0 y0 x1 y1 in pixels, several separated by semicolons. Raises DataError."""
    boxes = []
    for text in (row.get("boxes") or "").split(";"):
        try:
            left, top, right, bottom = (int(value) for value in text.split())
        except ValueError:
            raise DataError(f"{where}: box {text!r} of {row['file']}, expected x0 y0 x1 y1 in pixels") from None
        if not (0 <= left < right and 0 <= top < bottom):
            raise DataError(
                f"{where}: box {text!r} of {row['file']} is empty or outside, expected 0 <= x0 < x1 and 0 <= y0 < y1"
            )
        boxes.append(Box(left, top, right - left, bottom - top))
    return tuple(boxes)


def _synthetic(root: Path) -> list[Frame]:
    folder = root / _SYNTHETIC_FOLDER
    images = pictures_of(folder / "img")
    masks = {path.stem: path for path in pictures_of(folder / "gt")}
    lost = [image.name for image in images if image.stem not in masks]
    if lost:
        raise DataError(f"{folder}: {len(lost)} images without a mask, the first is {lost[0]}")
    return [Frame(image, masks[image.stem], SYNTHETIC, SYNTHETIC, manifest=folder) for image in images]


def _folders(roots: Folders) -> list[Path]:
    return [roots] if isinstance(roots, Path) else list(roots)
