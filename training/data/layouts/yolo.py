"""YOLO: `labels` beside `images`, a text file a picture, a line an object: class and a polygon or a box, as shares of the sides."""

from pathlib import Path
from typing import NamedTuple

import yaml

from training.data.files import DataError, text_of
from training.data.frames import Frame
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import CLASSES, annotated, beside, split_of, upright_size

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", CLASSES)
_BOX = 4
"""Numbers of a box: its centre, width and height. A polygon has six or more."""


def read_yolo(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without a text file show no smoke. None where no folder of labels holds text.

    Raises:
        DataError: A line is no object, a file belongs to no picture, or of several classes none says smoke.
    """
    labels_in = beside(folder, root, ("labels",))
    images = annotated(folder, labels_in, ".txt") if labels_in else None
    if labels_in is None or images is None:
        return None
    read = {image: _objects(file) for image, file in images.items() if file}
    smoke = _smoke(labels_in, root)
    if smoke is None and len(numbers := {each.number for of in read.values() for each in of}) > 1:
        raise DataError(
            f"{labels_in}: the classes {', '.join(map(str, sorted(numbers)))}, and no data.yaml or classes.txt that says which is smoke"
        )
    return [
        (split_of(image, root), _frame(image, file or labels_in, root, read.get(image, []), smoke))
        for image, file in images.items()
    ]


class _Object(NamedTuple):
    """A line of a file: the number of its class, and shares of the sides."""

    line: int
    number: int
    shares: list[float]


def _frame(image: Path, file: Path, root: Path, objects: list[_Object], smoke: dict[int, bool] | None) -> Frame:
    """Outlines and boxes of the lines that are smoke; without names of classes all are."""
    width, height = size = upright_size(image)
    outlines: list[list[list[float]]] = []
    corners: list[Corners] = []
    for line, number, shares in objects:
        if smoke is not None and number not in smoke:
            raise DataError(f"{file}, line {line}: class {number}, expected one of {', '.join(map(str, smoke))}")
        if smoke is not None and not smoke[number]:
            continue
        if len(shares) == _BOX:
            if not all(shares[2:]):
                raise DataError(f"{file}, line {line}: a box without width or height")
            corners.append(_corners(shares, width, height))
        elif len(shares) >= _BOX + 2 and len(shares) % 2 == 0:
            outlines.append([[share * (height if index % 2 else width) for index, share in enumerate(shares)]])
        else:
            raise DataError(
                f"{file}, line {line}: {len(shares)} numbers after the class, expected 4 of a box or 6 and more of a polygon"
            )
    return drawn_frame(image, root, file, outlines, corners, size)


def _objects(file: Path) -> list[_Object]:
    """What each line says. Raises DataError where one is no number, or a share is not in [0, 1]."""
    found = []
    for line, text in enumerate(text_of(file).splitlines(), start=1):
        if not text.strip():
            continue
        try:
            number, *shares = (float(word) for word in text.split())
        except ValueError:
            raise DataError(f"{file}, line {line}: found {text[:60]!r}, expected a class and numbers") from None
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise DataError(
                f"{file}, line {line}: found {text[:60]!r}, expected shares of the picture's sides in [0, 1]"
            )
        if not (number >= 0 and number.is_integer()):
            raise DataError(f"{file}, line {line}: class {text.split()[0]}, expected a whole number from 0")
        found.append(_Object(line, int(number), shares))
    return found


def _corners(shares: list[float], width: int, height: int) -> Corners:
    x, y, wide, high = shares
    return (x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height


def _smoke(labels_in: Path, root: Path) -> dict[int, bool] | None:
    """Whether each class is smoke, by data.yaml or classes.txt at the root or above the labels; None where neither is there."""
    homes = [root, *(home for home in (labels_in, *labels_in.parents) if home.is_relative_to(root))]
    file = next((home / name for home in homes for name in _NAMES if (home / name).exists()), None)
    if file is None:
        return None
    names = _names(file)
    chosen = smoke_classes(names.values(), file)
    return {number: name in chosen for number, name in names.items()} or None


def _names(file: Path) -> dict[int, str]:
    text = text_of(file)
    try:
        # A line without a name counts too: a class is the number of its line.
        named = [line.strip() for line in text.strip().splitlines()] if file.name == CLASSES else _yaml_names(text)
        pairs = named.items() if isinstance(named, dict) else enumerate(named)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, RecursionError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{file}: names of classes cannot be read: {' '.join(str(error).split())}") from error


def _yaml_names(text: str) -> dict[str, str] | list[str]:
    named = (yaml.safe_load(text) or {}).get("names")
    if not isinstance(named, dict | list) and named is not None:
        raise TypeError(f"names: {named}, expected a list")
    return named or []
