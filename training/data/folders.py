"""Data folders, of whatever layout, as one list of frames: those of a split, or those of them that are scored.

Several folders are read one after the other, as if they were one.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.files import DataError, others_of, pictures_of
from training.data.frames import BOXED, REAL_SMOKE, SCRIBBLED, SYNTHETIC, Frame
from training.data.layouts.layout import read_layout
from training.data.layouts.manifest import SYNTHETIC_FOLDER, Split
from training.data.layouts.walk import picture_folders

Folders = Path | Sequence[Path]
_SPLIT_SAYS = {"val": "; `smoke-bvm-train split` makes one"}


def read_frames(roots: Folders, split: Split) -> list[Frame]:
    """The frames of a split, folder by folder, each in the order in which its layout lists them.

    Raises:
        DataError: A folder is named twice or of no known layout, an annotation cannot be used, a file or a group would be in both
            splits, or no folder has a frame of the split.
    """
    folders = _folders(roots)
    again = [str(root) for root, count in Counter(root.resolve() for root in folders).items() if count > 1]
    if again:
        raise DataError(f"{again[0]}: named twice; its frames would count twice")
    rows = [row for root in folders for row in read_layout(root)]
    _expect_apart([row for row in rows if row[1].kind != SYNTHETIC])
    frames = [frame for of, frame in rows if split in ("all", of)]
    if not frames:
        raise DataError(f"{_named(roots)}: no frame of split {split!r}{_SPLIT_SAYS.get(split, '')}")
    return frames


def _expect_apart(rows: Sequence[tuple[str, Frame]]) -> None:
    """Raises DataError where a file is listed twice, or a group is in both splits: its scores would be of what was learnt by heart."""
    files: dict[Path, Frame] = {}
    groups: dict[str, tuple[str, Frame]] = {}
    for split, frame in rows:
        first = files.setdefault(Path(os.path.realpath(frame.image)), frame)
        if first is not frame:
            raise DataError(f"{frame.origin}: {frame.image.name} is listed twice, before at {first.origin}")
        other, of = groups.setdefault(frame.group, (split, frame))
        if other != split:
            raise DataError(f"{frame.origin}: group {frame.group!r} is in split {split}, and in {other} at {of.origin}")


def frames_to_score(data: Folders, split: str, subset: Path | None) -> list[Frame]:
    """The real frames of a split whose smoke is known by the pixel, or those of them that a list names. Raises DataError if none is."""
    unscored = (SYNTHETIC, BOXED, SCRIBBLED)
    read = read_frames(data, split)  # type: ignore[arg-type]
    frames = [frame for frame in read if frame.kind not in unscored]
    if not frames:
        kinds = ", ".join(sorted({frame.kind for frame in read}))
        raise DataError(
            f"{_named(data)}: split {split!r} has {kinds} alone, which are not scored; expected frames with masks, or without smoke"
        )
    return choose(frames, data, subset) if subset else frames


def frames_of_val(data: Folders, groups: int = 2) -> list[Frame]:
    """What a run is scored on: frames of val, those with smoke of so many camera groups at least. Raises DataError."""
    frames = frames_to_score(data, "val", None)
    expect_groups(frames, "val", groups)
    return frames


def expect_groups(frames: Sequence[Frame], split: str, fewest: int = 2) -> None:
    """Raises DataError where frames with smoke are of fewer camera groups."""
    groups = {frame.group for frame in frames if frame.kind == REAL_SMOKE}
    if len(groups) < fewest:
        fitted = ", since the threshold for one is fitted on the others" if fewest > 1 else ""
        raise DataError(
            f"split {split!r} has smoke frames of {len(groups)} camera groups, expected at least {fewest}{fitted}"
        )


def skipped(roots: Folders) -> list[Path]:
    """What lies in the folders of the synthetic parts and is no picture by its name."""
    folders = [root / SYNTHETIC_FOLDER / name for root in _folders(roots) for name in ("img", "gt")]
    return [path for folder in folders for path in others_of(folder)]


def unlisted(roots: Folders, frames: Sequence[Frame]) -> list[Path]:
    """Pictures below the folders that no layout lists, neither as a picture nor as a mask, as far as one can look into them."""
    known = {path for frame in frames for path in (frame.image, frame.mask)}
    folders = [folder for root in _folders(roots) for folder in picture_folders(root, _ignored)]
    return [path for folder in folders for path in pictures_of(folder) if path not in known]


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


def _ignored(error: OSError) -> None:
    """What a manifest lists does not lie there, or it is refused for that."""


def _named(roots: Folders) -> str:
    return ", ".join(map(str, _folders(roots)))


def _folders(roots: Folders) -> list[Path]:
    return [roots] if isinstance(roots, Path) else list(roots)
