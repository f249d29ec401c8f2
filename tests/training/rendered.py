"""A data folder of rendered frames: several camera groups, both splits, with and without smoke."""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from training.data.synthetic import add_smoke, render_landscape, render_plume

COLUMNS = ("file", "mask", "kind", "group", "split")
HEIGHT_PX, WIDTH_PX = 72, 96
_GROUPS = {"train": ("cam-a", "cam-b"), "val": ("cam-c", "cam-d")}
_KINDS = ("real_smoke",) * 4 + ("clear", "hard_negative")


def write_data_folder(root: Path) -> Path:
    """Render two cameras per split, each with four frames of smoke, a clear one and a hard one; and the manifest."""
    for folder in ("img", "gt"):
        (root / folder).mkdir(parents=True)
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.DictWriter(stream, COLUMNS)
        rows.writeheader()
        rows.writerows(_rows(root))
    return root


def _rows(root: Path) -> Iterator[dict[str, str]]:
    rng = np.random.default_rng(7)
    for split, groups in _GROUPS.items():
        for group in groups:
            for number, kind in enumerate(_KINDS):
                name = f"{group}-{number}"
                mask = _render(root, name, kind == "real_smoke", rng)
                yield dict(zip(COLUMNS, (f"img/{name}.png", mask, kind, group, split), strict=True))


def _render(root: Path, name: str, with_smoke: bool, rng: np.random.Generator) -> str:
    """Write a frame, and its mask where it has one; the mask's path in the manifest."""
    image = render_landscape(rng, HEIGHT_PX, WIDTH_PX)
    if with_smoke:
        image, mask = add_smoke(image, render_plume(rng, HEIGHT_PX, WIDTH_PX, 0.7), rng)
        cv2.imwrite(str(root / f"gt/{name}.png"), (mask * 255).astype(np.uint8))
    cv2.imwrite(str(root / f"img/{name}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return f"gt/{name}.png" if with_smoke else ""
