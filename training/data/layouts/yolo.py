"""YOLO: `labels` beside `images`, a text file a picture, a line an object: class and a polygon or a box, as shares of the sides."""

from pathlib import Path

import yaml

from training.data.files import pictures_of
from training.data.frames import DataError, Frame
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import beside, split_of, upright_size

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")
_BOX = 4
"""Numbers of a box: its centre, width and height. A polygon has six or more."""


def read_yolo(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without a text file show no smoke. None where no folder of labels holds text.

    Raises:
        DataError: A line is no object, or several classes are named and none says smoke.
    """
    labels_in = beside(folder, root, ("labels",))
    if labels_in is None or not any(labels_in.glob("*.txt")):
        return None
    smoke = _smoke(root)
    return [
        (split_of(image, root), _frame(image, labels_in / f"{image.stem}.txt", root, smoke))
        for image in pictures_of(folder)
    ]


def _frame(image: Path, file: Path, root: Path, smoke: set[int] | None) -> Frame:
    """Outlines and boxes of the lines that are smoke; without names of classes all are."""
    width, height = size = upright_size(image)
    outlines: list[list[list[float]]] = []
    corners: list[Corners] = []
    for line, numbers in _objects(file):
        if smoke is not None and int(numbers[0]) not in smoke:
            continue
        shares = numbers[1:]
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


def _objects(file: Path) -> list[tuple[int, list[float]]]:
    """Line and numbers of each object. Raises DataError where one is no number, or a share is not in [0, 1]."""
    if not file.is_file():
        return []
    found = []
    for line, text in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        try:
            numbers = [float(word) for word in text.split()]
        except ValueError:
            raise DataError(f"{file}, line {line}: found {text[:60]!r}, expected a class and numbers") from None
        if numbers and not all(0.0 <= share <= 1.0 for share in numbers[1:]):
            raise DataError(
                f"{file}, line {line}: found {text[:60]!r}, expected shares of the picture's sides in [0, 1]"
            )
        if numbers:
            found.append((line, numbers))
    return found


def _corners(shares: list[float], width: int, height: int) -> Corners:
    x, y, wide, high = shares
    return (x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height


def _smoke(root: Path) -> set[int] | None:
    """Numbers of the classes that are smoke, by data.yaml or classes.txt; None where neither is there."""
    file = next((root / name for name in _NAMES if (root / name).is_file()), None)
    if file is None:
        return None
    text = file.read_text(encoding="utf-8-sig")
    try:
        named = text.split() if file.suffix == ".txt" else (yaml.safe_load(text) or {}).get("names")
        names = dict(named) if isinstance(named, dict) else dict(enumerate(named or ()))
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise DataError(f"{file}: names of classes cannot be read: {error}") from error
    chosen = smoke_classes((str(name) for name in names.values()), file)
    return {int(number) for number, name in names.items() if str(name) in chosen} if names else None
