"""A split without leaks: what belongs together, by camera, name, folder or scene, lands on one side."""

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from models.geometry import Box
from training.audit.descriptor import clusters
from training.audit.leaks import pairs_of
from training.audit.survey import Surveyed
from training.data.files import DataError, write_whole
from training.data.frames import BOXED, SCRIBBLED, SYNTHETIC, Frame, Outlines, load_image, load_mask, write_png
from training.data.layouts.manifest import COLUMNS, MANIFEST

Key = Literal["group", "name", "folder", "scene"]
KEYS: tuple[Key, ...] = ("group", "name", "folder", "scene")
"""By what frames belong together: the group of their manifest, their names without counters, their folder, or the scene alone."""
_COUNTER = re.compile(r"[ _.-]*[a-z]{0,3}\d+$", re.IGNORECASE)


def split_without_leaks(surveyed: Sequence[Surveyed], key: Key, val: float, seed: int) -> list[tuple[str, str, Frame]]:
    """Split, group and frame of every frame that can be used; near-duplicates are always of one group.

    Args:
        surveyed: Frames with their descriptors.
        key: By what they belong together.
        val: Share of the frames with smoke, and of those without, that go to val; met as nearly as groups allow. Synthetic
            frames are train's.
        seed: Of the order in which groups are drawn.

    Raises:
        DataError: All frames belong to one group, so that there is nothing to split.
    """
    synthetic = [
        ("train", SYNTHETIC, each.frame) for each in surveyed if each.frame.kind == SYNTHETIC and not each.fault
    ]
    usable = [each for each in surveyed if each.frame.kind != SYNTHETIC and not each.fault]
    groups = _groups(usable, key)
    if len(set(groups)) < 2:
        raise DataError(f"all {len(usable)} frames belong together by {key}; expected at least two groups to split")
    chosen = _draw(usable, groups, val, seed)
    sides = ["val" if group in chosen else "train" for group in groups]
    return [*zip(sides, groups, (each.frame for each in usable), strict=True), *synthetic]


def write_split(rows: Sequence[tuple[str, str, Frame]], out: Path) -> Path:
    """A `manifest.csv` in `out`, which leaves pictures where they are; smoke that was drawn becomes masks in `out/masks`.

    Raises:
        DataError: There is a manifest already, or a file's name is no UTF-8.
    """
    manifest = out / MANIFEST
    if manifest.exists():
        raise DataError(f"{manifest}: is there already; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    weighed = any(frame.weight != 1.0 for _, _, frame in rows)
    table.writerow((*COLUMNS, "boxes", *("weight",) * weighed))
    for number, (split, group, frame) in enumerate(rows):
        boxes = ";".join(_corners(box) for box in frame.boxes)
        mask = _mask(frame, out, number)
        weight = (f"{frame.weight:g}",) * weighed
        table.writerow((_relative(frame.image, out), mask, frame.kind, group, split, boxes, *weight))
    write_whole(stream.getvalue(), manifest)
    return manifest


def write_data(folder: Path, train: Sequence[Frame], val: Sequence[Frame]) -> None:
    """A data folder of these frames: see `write_split`."""
    write_split([(split, frame.group, frame) for split, of in (("train", train), ("val", val)) for frame in of], folder)


def name_without_counter(path: Path) -> str:
    """`ridge_2020-05-04_0012.jpg` -> `ridge`: the name up to the numbers at its end, with the folder; a name of numbers stays."""
    stem = path.stem
    while (shorter := _COUNTER.sub("", stem)) and shorter != stem:
        stem = shorter
    return f"{path.parent.name}/{stem}"


def _groups(usable: Sequence[Surveyed], key: Key) -> list[str]:
    """A name of its group for each frame: those that key or scene join, after the first of them."""
    keys = [_key(each.frame, key) for each in usable]
    alike: dict[str, list[int]] = defaultdict(list)
    for place, of in enumerate(keys):
        alike[of].append(place)
    chain = [(of[0], other) for of in alike.values() for other in of[1:]]
    numbers = clusters(len(usable), [*(pair[:2] for pair in pairs_of(usable)), *chain])
    names: dict[int, str] = {}
    for number, of in zip(numbers.tolist(), keys, strict=True):
        names.setdefault(number, of)
    return [names[number] for number in numbers.tolist()]


def _key(frame: Frame, key: Key) -> str:
    if key == "group":
        return frame.group
    if key == "name":
        return name_without_counter(frame.image)
    return str(frame.image.parent if key == "folder" else frame.image)


def _draw(usable: Sequence[Surveyed], groups: Sequence[str], val: float, seed: int) -> set[str]:
    """Groups for val: in a shuffled order each that brings both shares, with and without smoke, nearer to what was asked."""
    with_smoke = np.array([bool(each.smoke) or each.frame.kind in (BOXED, SCRIBBLED) for each in usable])
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    for group, smoke in zip(groups, with_smoke, strict=True):
        counts[group][int(smoke)] += 1
    asked, taken = val * np.sum(list(counts.values()), axis=0), np.zeros(2)
    chosen: set[str] = set()
    for group in np.random.default_rng(seed).permutation(sorted(counts)).tolist():
        if np.abs(asked - taken - counts[group]).sum() < np.abs(asked - taken).sum():
            taken, chosen = taken + counts[group], chosen | {group}
    return chosen or {min(counts, key=lambda group: counts[group].sum())}


def _mask(frame: Frame, out: Path, number: int) -> str:
    if not isinstance(frame.mask, Outlines):
        return _relative(frame.mask, out) if frame.mask else ""
    drawn = load_mask(frame, load_image(frame.image).shape)
    path = out / "masks" / f"{number:06d}.png"
    path.parent.mkdir(exist_ok=True)
    write_png((255 * drawn).astype(np.uint8), path)
    return _relative(path, out)


def _relative(path: Path, out: Path) -> str:
    return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()


def _corners(box: Box) -> str:
    return f"{box.x} {box.y} {box.x + box.width} {box.y + box.height}"
