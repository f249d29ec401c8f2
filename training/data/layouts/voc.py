"""Pascal VOC: `Annotations` beside `JPEGImages`, an XML file a picture, with boxes."""

from pathlib import Path
from xml.etree import ElementTree as ET

from training.data.files import pictures_of
from training.data.frames import DataError
from training.data.layouts.classes import smoke_classes
from training.data.layouts.drawn import Corners, drawn_frame
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import beside, split_of, upright_size

_Objects = list[tuple[str, Corners]]


def read_voc(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder; those without an XML file show no smoke. None where no folder of annotations holds one.

    Raises:
        DataError: A file is no such annotation.
    """
    home = beside(folder, root, ("annotations", "labels")) or folder
    images = pictures_of(folder)
    objects = {
        image: _objects(home / f"{image.stem}.xml") for image in images if (home / f"{image.stem}.xml").is_file()
    }
    if not objects:
        return None
    smoke = smoke_classes((name for of in objects.values() for name, _ in of), home)
    rows = []
    for image in images:
        corners = [corner for name, corner in objects.get(image, ()) if name in smoke]
        file = home / f"{image.stem}.xml"
        rows.append((split_of(image, root), drawn_frame(image, root, file, (), corners, upright_size(image))))
    return rows


def _objects(file: Path) -> _Objects:
    """Name and corners of each object; VOC counts pixels from 1."""
    try:
        tree = ET.fromstring(file.read_bytes())  # noqa: S314 - expat bounds entities itself
        return [(str(each.findtext("name")), _corners(each)) for each in tree.iter("object")]
    except (OSError, ET.ParseError, TypeError, ValueError) as error:
        raise DataError(f"{file}: no VOC annotation: {error}") from error


def _corners(each: ET.Element) -> Corners:
    left, top, right, bottom = (
        float(each.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return left - 1.0, top - 1.0, right, bottom
