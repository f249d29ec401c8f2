"""Which layout a folder has, and its frames."""

import os
from collections.abc import Callable
from pathlib import Path

from training.data.files import DataError
from training.data.layouts.coco import coco_files, read_coco
from training.data.layouts.labelme import read_labelme
from training.data.layouts.manifest import COLUMNS, MANIFEST, Listed, read_manifest
from training.data.layouts.pairs import read_pairs
from training.data.layouts.voc import read_voc
from training.data.layouts.walk import picture_folders
from training.data.layouts.yolo import read_yolo

_READERS: tuple[Callable[[Path, Path], list[Listed] | None], ...] = (read_labelme, read_yolo, read_voc, read_pairs)
"""By folder of pictures, the most telling first: each takes what is its own and answers None to the rest."""


def read_layout(root: Path) -> list[Listed]:
    """Split and frame of everything that a data folder lists: its manifest, else COCO files, else folder by folder.

    Raises:
        DataError: The folder is not there or of no known layout, a picture folder has no annotations, or an annotation cannot be used.
    """
    if not root.is_dir():
        raise DataError(f"{root}: not a folder")
    if os.path.lexists(root / MANIFEST):
        return read_manifest(root)
    if files := coco_files(root):
        return [row for file in files for row in read_coco(file, root)]
    folders = list(picture_folders(root))
    if not folders:
        raise DataError(f"{root}: holds no pictures, and no {MANIFEST} ({', '.join(COLUMNS)})")
    return [row for folder in folders for row in _read_folder(folder, root)]


def _read_folder(folder: Path, root: Path) -> list[Listed]:
    for reader in _READERS:
        rows = reader(folder, root)
        if rows is not None:
            return rows
    raise DataError(
        f"{folder}: pictures, but nothing that says where their smoke is; expected {MANIFEST} at the root, a folder gt or masks "
        "beside one called img or images, or COCO, labelme, YOLO or VOC annotations"
    )
