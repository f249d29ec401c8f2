"""Pascal VOC: `Annotations` beside `JPEGImages`, an XML file a picture, with boxes."""

from pathlib import Path
from xml.etree import ElementTree as ET

from training.data.files import DataError, expect_file
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import annotated, beside, expect_size, split_of, upright_size

_Objects = list[tuple[str, Corners]]


def read_voc(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without an XML file show no smoke. None where no folder of annotations holds one.

    Raises:
        DataError: A file is no such annotation, of another size than its picture, or without one.
    """
    home = beside(folder, root, ("annotations", "labels")) or folder
    images = annotated(folder, home, ".xml")
    if images is None:
        return None
    read = {image: _read(file, image) for image, file in images.items() if file}
    smoke = smoke_classes((name for of in read.values() for name, _ in of), home)
    rows = []
    for image, file in images.items():
        corners = [corner for name, corner in read.get(image, ()) if name in smoke]
        rows.append((split_of(image, root), drawn_frame(image, root, file or home, (), corners, upright_size(image))))
    return rows


def _read(file: Path, image: Path) -> _Objects:
    """Name and corners of each object; VOC counts pixels from 1."""
    expect_file(file)
    try:
        tree = ET.fromstring(file.read_bytes())  # noqa: S314 - expat bounds entities itself
        if tree.tag != "annotation":
            raise ValueError(f"found <{tree.tag}>, expected <annotation>")
        said = (int(tree.findtext("size/width") or 0), int(tree.findtext("size/height") or 0))
        objects = [(_name(each), _corners(each)) for each in tree.iter("object")]
    except (OSError, ET.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{file}: no VOC annotation: {error}") from error
    expect_size(image, upright_size(image), said, file)
    return objects


def _name(each: ET.Element) -> str:
    if not (name := (each.findtext("name") or "").strip()):
        raise ValueError("an object without a name")
    return name


def _corners(each: ET.Element) -> Corners:
    left, top, right, bottom = (_side(each, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    return left - 1.0, top - 1.0, right, bottom


def _side(each: ET.Element, side: str) -> float:
    text = each.findtext(f"bndbox/{side}") or ""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"bndbox/{side} {text!r}, expected a number") from None
