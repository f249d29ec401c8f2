"""A folder of pictures and one of masks: SMOKE5K ({train,test}/{img,gt}), SYN70K (DS01/{img,mask}), and any of their like.

A mask has its picture's name, or that and _mask, _gt or _label; its suffix may be another. An empty one says that there is no smoke.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from training.data.files import DataError, by_stem, pictures_of
from training.data.frames import REAL_SMOKE, Frame, read_mask
from training.data.layouts.drawn import CLEAR
from training.data.layouts.manifest import Listed
from training.data.layouts.walk import MASKS, beside, split_of

_TAIL = r"[ _-](mask|gt|label)s?"


def read_pairs(folder: Path, root: Path) -> list[Listed] | None:
    """The pictures of a folder with their masks; None where no folder of masks stands for it.

    Raises:
        DataError: A picture has no mask or two, or a mask no picture.
    """
    masks_in = beside(folder, root, MASKS)
    if masks_in is None or not pictures_of(masks_in):
        return None
    images, masks = by_stem(pictures_of(folder), _TAIL), by_stem(pictures_of(masks_in), _TAIL)
    lost = [
        *(images[stem] for stem in images.keys() - masks.keys()),
        *(masks[stem] for stem in masks.keys() - images.keys()),
    ]
    if lost:
        raise DataError(
            f"{folder}: {len(lost)} pictures without a mask in {masks_in}, or masks without a picture; the first is {min(lost)}"
        )
    stems = sorted(images)
    smoke = _which_hold_smoke([masks[stem] for stem in stems])
    return [
        (split_of(images[stem], root), _frame(images[stem], masks[stem] if of else None, root))
        for stem, of in zip(stems, smoke, strict=True)
    ]


def _frame(image: Path, mask: Path | None, root: Path) -> Frame:
    kind = REAL_SMOKE if mask else CLEAR
    return Frame(image, mask, kind, image.relative_to(root).with_suffix("").as_posix(), manifest=image.parent)


def _which_hold_smoke(masks: Sequence[Path]) -> list[bool]:
    """Of each mask; where none does, they are not written as was meant, and all count as smoke, for `checks` to refuse."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda mask: _holds_smoke(mask, mask.stat().st_mtime_ns), masks))
    return found if any(found) else [True] * len(found)


@cache
def _holds_smoke(mask: Path, written_ns: int) -> bool:  # noqa: ARG001
    """Whether it does, looked at once for each time at which it was written; one that cannot be read is for `checks` to refuse."""
    try:
        return bool(read_mask(mask).any())
    except DataError:
        return True
