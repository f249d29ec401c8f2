"""The golden frame and its maps, as they lie in a release."""

import cv2
import numpy as np
import pytest

from models.golden import read
from models.manifest import OUTPUTS, Golden, ManifestError

GOLDEN = Golden("frame.png", "maps.npz", 0.01)


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "frame.png"), np.full((6, 10, 3), (10, 20, 200), np.uint8))
    np.savez(tmp_path / "maps.npz", **{name: np.full((4, 4), 0.25, np.float32) for name in OUTPUTS})
    return tmp_path


def test_the_frame_is_fitted_and_red_comes_first(folder):
    frame, expected = read(folder, GOLDEN, 4)
    assert frame.shape == (4, 4, 3)
    assert tuple(frame[0, 0]) == (200, 20, 10)
    assert expected.keys() == set(OUTPUTS)
    assert all((values == 0.25).all() for values in expected.values())


@pytest.mark.parametrize("broken", ["frame.png", "maps.npz"])
def test_what_cannot_be_read_is_refused_with_the_folder(folder, broken):
    (folder / broken).write_bytes(b"nothing")
    with pytest.raises(ManifestError, match="the golden frame or its maps cannot be read"):
        read(folder, GOLDEN, 4)


def test_a_missing_map_is_named(folder):
    np.savez(folder / "maps.npz", probability=np.zeros((4, 4), np.float32))
    with pytest.raises(ManifestError, match="total"):
        read(folder, GOLDEN, 4)
