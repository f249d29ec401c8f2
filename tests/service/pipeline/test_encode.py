import io
import math
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.geometry import unfit
from models.manifest import Output
from models.maps import SegmentationMaps
from service.pipeline.encode import MASK, Size, encode_maps, mask_at, npz, overlay, png, quantise
from tests.pictures import array_of, floats_of, plain

LN2 = math.log(2)
SCALES = {"mask": MASK, "probability": Output("probability", "1", 0.0, 1.0), "total": Output("total", "nat", 0.0, LN2)}


def constant(probability: float = 0.0, total: float = 0.0, side: int = 8) -> SegmentationMaps:
    maps = (np.full((side, side), value, dtype=np.float32) for value in (probability, total, 0.0, total))
    return SegmentationMaps(*maps)


@pytest.mark.parametrize(("share", "level"), [(0.0, 0), (0.1, 26), (0.5, 128), (0.999, 255), (1.0, 255)])
def test_a_byte_is_the_nearest_of_256_steps(share, level):
    assert quantise(np.float32([[share * LN2]]), 0.0, LN2)[0, 0] == level


def test_what_lies_outside_the_scale_is_clipped_not_wrapped():
    assert quantise(np.float32([[-0.2, 1.3]]), 0.0, 1.0).tolist() == [[0, 255]]


def test_every_value_comes_back_within_half_a_step():
    values = np.linspace(0, LN2, 10_000, dtype=np.float32)[None]
    restored = quantise(values, 0.0, LN2) / 255 * LN2
    assert np.abs(restored - values).max() <= LN2 / 510 + 1e-6


def test_a_low_constant_map_stays_low():
    encoded = encode_maps(constant(total=0.01 * LN2), ["total"], SCALES, 0.5, None)["total"]
    assert np.unique(array_of(encoded.data)).tolist() == [3]
    assert (encoded.minimum, encoded.maximum, encoded.unit) == (0.0, LN2, "nat")


def test_the_mask_holds_nothing_but_black_and_white_and_includes_the_threshold():
    prediction = constant()
    prediction.probability[:4] = 0.5
    prediction.probability[4:] = np.nextafter(np.float32(0.5), np.float32(0))
    mask = array_of(encode_maps(prediction, ["mask"], SCALES, 0.5, None)["mask"].data)
    assert (mask[:4] == 255).all()
    assert (mask[4:] == 0).all()


def test_a_map_at_the_frames_size_is_wider_than_high_where_the_frame_is():
    encoded = encode_maps(constant(probability=0.4), ["probability", "mask"], SCALES, 0.3, Size(30, 20))
    for name, level in (("probability", 102), ("mask", 255)):
        assert (encoded[name].width, encoded[name].height) == (30, 20)
        np.testing.assert_array_equal(array_of(encoded[name].data), np.full((20, 30), level))


def test_a_map_at_the_frames_size_is_within_a_step_of_its_floats_brought_there():
    values = np.random.default_rng(3).random((24, 24), dtype=np.float32)
    prediction = SegmentationMaps(values, values * np.float32(LN2), values, values)
    encoded = encode_maps(prediction, ["total"], SCALES, 0.5, Size(100, 60))["total"]
    floats = 255 * unfit(values, 100, 60)
    assert np.abs(array_of(encoded.data) - floats).max() <= 1.0 + 255 / 2**10  # OpenCV weighs bytes with 11 bits


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_pillow_and_opencv_read_a_png_as_it_was_written(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    written = png(pixels)
    with Image.open(io.BytesIO(written)) as image:
        image.verify()
    np.testing.assert_array_equal(array_of(written), pixels)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_UNCHANGED), pixels)


def test_only_what_was_asked_for_is_encoded_in_that_order():
    assert list(encode_maps(constant(), ["total", "mask"], SCALES, 0.5, None)) == ["total", "mask"]


def test_an_npz_holds_the_models_floats_bit_for_bit_even_those_beside_the_scale():
    values = np.random.default_rng(1).random((8, 8), dtype=np.float32)
    values[0, :3] = (-1e-7, np.nextafter(np.float32(1), np.float32(2)), np.float32(1e-30))
    prediction = SegmentationMaps(values, values, values, values)
    encoded = encode_maps(prediction, ["probability", "total"], SCALES, 0.5, None, "npz")
    for name, (most, unit) in {"probability": (1.0, "1"), "total": (LN2, "nat")}.items():
        found = floats_of(encoded[name].data, name)
        assert found.dtype == np.float32
        assert found.tobytes() == values.tobytes()
        assert (encoded[name].encoding, encoded[name].dtype) == ("npz", "float32")
        assert (encoded[name].minimum, encoded[name].maximum, encoded[name].unit) == (0.0, most, unit)


def test_an_npz_is_a_zip_whose_every_part_fits_the_others():
    values = np.random.default_rng(3).random((7, 9), dtype=np.float32)
    with zipfile.ZipFile(io.BytesIO(npz("total", values))) as archive:
        assert archive.testzip() is None
        (entry,) = archive.infolist()
    assert (entry.filename, entry.date_time[:3], entry.compress_type) == ("total.npy", (1980, 1, 1), zipfile.ZIP_STORED)


def test_an_npz_has_as_many_rows_as_the_map_is_high():
    prediction = SegmentationMaps(*(np.zeros((5, 9), np.float32) for _ in range(4)))
    encoded = encode_maps(prediction, ["total", "mask"], SCALES, 0.5, None, "npz")
    for name in ("total", "mask"):
        assert floats_of(encoded[name].data, name).shape == (5, 9)
        assert (encoded[name].width, encoded[name].height) == (9, 5)


def test_the_mask_in_an_npz_is_true_where_the_png_is_white():
    prediction = constant()
    prediction.probability[3, 5] = 0.5
    (picture,), (array,) = (
        encode_maps(prediction, ["mask"], SCALES, 0.5, None, encoding).values() for encoding in ("png", "npz")
    )
    found = floats_of(array.data, "mask")
    assert (array.dtype, found.dtype) == ("bool", np.bool_)
    assert np.argwhere(found).tolist() == [[3, 5]]
    np.testing.assert_array_equal(array_of(picture.data), np.where(found, 255, 0))


def test_an_npz_is_no_larger_than_its_floats_and_a_header():
    noise = np.random.default_rng(2).random((64, 64), dtype=np.float32)
    (encoded,) = encode_maps(SegmentationMaps(noise, noise, noise, noise), ["total"], SCALES, 0.5, None, "npz").values()
    assert 4 * 64 * 64 < len(encoded.data) < 4 * 64 * 64 + 512


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=32))
def test_png_and_npz_agree_within_half_a_step_of_the_scale(shares):
    values = np.float32([shares])
    prediction = SegmentationMaps(values, values * np.float32(LN2), values, values)
    for name, most in (("probability", 1.0), ("total", LN2)):
        files = (encode_maps(prediction, [name], SCALES, 0.5, None, kind)[name].data for kind in ("png", "npz"))
        restored, floats = array_of(next(files)) / 255 * most, floats_of(next(files), name)
        assert np.abs(restored - floats).max() <= most / 510 + 1e-6


def test_the_mask_at_the_models_size_is_the_probability_held_against_the_threshold():
    prediction = constant()
    prediction.probability[2, 3] = 0.9
    assert np.argwhere(mask_at(prediction, 0.5, None)).tolist() == [[2, 3]]


def block() -> np.ndarray:
    mask = np.zeros((64, 96), dtype=bool)
    mask[16:48, 32:64] = True
    return mask


def test_smoke_turns_redder_and_the_rest_stays_as_it_was():
    frame = plain(100, 100, 100, 96, 64)
    picture = array_of(overlay(frame, block()).data).astype(int)
    red, green, blue = picture[28:36, 44:52].mean(axis=(0, 1))
    assert red > 140
    assert green < 95
    assert blue < 85
    assert np.abs(picture[:, :16] - 100).max() <= 2


def test_the_edge_is_drawn_stronger_than_the_inside():
    mask = np.zeros((1200, 1600), dtype=bool)
    mask[400:800, 400:800] = True
    picture = array_of(overlay(plain(100, 100, 100, 1600, 1200), mask).data).astype(int)
    edge, inside = picture[600, 400], picture[600, 600]
    assert edge[0] - edge[1] > inside[0] - inside[1] + 80


def test_a_frame_without_smoke_is_shown_as_it_is():
    picture = overlay(plain(100, 100, 100, 96, 64), np.zeros((64, 96), dtype=bool))
    assert (picture.width, picture.height) == (96, 64)
    assert np.abs(array_of(picture.data).astype(int) - 100).max() <= 1


def test_the_frame_itself_is_left_untouched():
    frame = plain(100, 100, 100, 96, 64)
    overlay(frame, block())
    assert (frame == 100).all()
