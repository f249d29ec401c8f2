import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from service.pipeline.outlines.rle import run_lengths

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24), elements=st.booleans())


def of_coco(mask: np.ndarray) -> tuple[list[int], str]:
    encoded = coco.encode(np.asfortranarray(mask, np.uint8))
    return encoded["size"], encoded["counts"].decode()


@given(mask=MASKS)
def test_pycocotools_writes_the_same_bytes(mask):
    found = run_lengths(mask)
    assert ([found.height, found.width], found.counts) == of_coco(mask)


def circle(height: int, width: int) -> np.ndarray:
    row, column = np.mgrid[:height, :width]
    return (row - height / 2) ** 2 + (column - width / 3) ** 2 < (height / 4) ** 2


@pytest.mark.parametrize(
    "mask",
    [np.zeros((1080, 1920), bool), np.ones((2160, 3840), bool), circle(1080, 1920), ~circle(2160, 3840)],
    ids=["nothing", "everything", "circle", "hole"],
)
def test_pycocotools_writes_the_same_bytes_of_frames_of_a_cameras_size(mask):
    assert run_lengths(mask).counts == of_coco(mask)[1]
