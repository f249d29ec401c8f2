"""Every way in which people write a mask says the same, or is refused with what it says."""

import cv2
import numpy as np
import pytest
from PIL import Image

from training.data.files import DataError
from training.data.frames import Frame, load_mask, read_mask
from training.data.masks import strokes_of

SMOKE = np.zeros((6, 8), np.bool_)
SMOKE[2:5, 3:7] = True
GREY = np.where(SMOKE, 255, 0).astype(np.uint8)


def coloured(clear: tuple[int, ...], smoke: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(SMOKE[..., None], np.uint8(smoke), np.uint8(clear)))


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(SMOKE.astype(np.uint8), "L").convert("P")
    image.putdata([int(value) for value in SMOKE.ravel()])
    image.putpalette([level for colour in colours for level in colour])
    return image


WRITTEN = {
    "0 and 1": Image.fromarray(SMOKE.astype(np.uint8)),
    "0 and 255": Image.fromarray(GREY),
    "0 and 100": Image.fromarray(np.where(SMOKE, 100, 0).astype(np.uint8)),
    "1 and 2": Image.fromarray(SMOKE.astype(np.uint8) + 1),
    "one bit": Image.fromarray(GREY).convert("1"),
    "16 bits, 0 and 1": Image.fromarray(SMOKE.astype(np.uint16)),
    "16 bits, 0 and 65535": Image.fromarray(np.where(SMOKE, 65535, 0).astype(np.uint16)),
    "palette, red": palette((0, 0, 0), (128, 0, 0)),
    "palette, white": palette((0, 0, 0), (255, 255, 255)),
    "palette, by number": palette((0, 0, 0), (1, 1, 1)),
    "RGB, white": coloured((0, 0, 0), (255, 255, 255)),
    "RGB, 0 and 1": coloured((0, 0, 0), (1, 1, 1)),
    "RGB, red": coloured((0, 0, 0), (200, 0, 0)),
    "RGB, blue": coloured((0, 0, 0), (0, 0, 200)),
    "RGBA, opaque": coloured((0, 0, 0, 255), (255, 255, 255, 255)),
    "RGBA, red on nothing": coloured((0, 0, 0, 0), (255, 0, 0, 255)),
    "RGBA, by opacity alone": coloured((255, 255, 255, 0), (255, 255, 255, 128)),
    "RGBA, by opacity that is nowhere 0": coloured((255, 0, 0, 64), (255, 0, 0, 255)),
    "RGBA, black on nothing": coloured((0, 0, 0, 0), (0, 0, 0, 255)),
    "RGBA, red on white that is not shown": coloured((255, 255, 255, 0), (255, 0, 0, 255)),
    "RGBA, smoke half transparent": coloured((0, 0, 0, 255), (255, 255, 255, 128)),
    "RGBA, half transparent on nothing": coloured((0, 0, 0, 0), (255, 0, 0, 128)),
    "grey and opacity": coloured((0, 0, 0, 255), (255, 255, 255, 255)).convert("LA"),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_it_is_read_by_one_rule(tmp_path, written):
    written.save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, SMOKE)


@pytest.mark.parametrize(("value", "smoke"), [(0, 0.0), (1, 1.0), (255, 1.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_mask_of_one_value_is_all_smoke_or_none(tmp_path, value, smoke, channels):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((3, 4, channels), value, np.uint8))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.full((3, 4), smoke, np.float32))


def antialiased() -> Image.Image:
    return Image.fromarray(cv2.GaussianBlur(GREY, (3, 3), 0))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)), "found the values 0, 127, 128, 255; expected two"),
        (
            Image.fromarray(np.arange(8, dtype=np.uint8)[None]),
            "found the values 0, 1, 2, 3, 4, 5 and 2 more; expected two",
        ),
        (antialiased(), "found the values 0, "),
        (antialiased().convert("RGB"), "found the values 0, "),
        (
            coloured((255, 255, 255), (255, 0, 0)),
            r"found the colours .*\(255, 0, 0\).*; expected black, and one that is",
        ),
        (coloured((255, 255, 255, 0), (0, 0, 0, 255)).resize((16, 12), Image.Resampling.BILINEAR), "expected"),
        (palette((255, 255, 255), (255, 0, 0)), "found the colours"),
    ],
)
def test_what_does_not_say_which_is_smoke_is_refused_with_its_values(tmp_path, written, words):
    written.save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=rf"mask\.png: .*{words}"):
        load_mask(Frame(tmp_path / "a.png", tmp_path / "mask.png", "real_smoke", "cam"), written.size[::-1])


STROKES = np.array([[0, 1, 1], [2, 0, 2]], np.uint8)


@pytest.mark.parametrize("shape", ["grey", "16 bits", "alike", "opaque"])
def test_scribbles_are_smoke_and_background_and_the_rest_is_not_known(shape):
    pixels = {
        "grey": STROKES,
        "16 bits": STROKES.astype(np.uint16),
        "alike": np.repeat(STROKES[..., None], 3, axis=2),
        "opaque": np.dstack([STROKES] * 3 + [np.full_like(STROKES, 255)]),
    }[shape]
    smoke, known = strokes_of(pixels)
    assert smoke.tolist() == [[0, 1, 1], [0, 0, 0]]
    assert known.tolist() == [[0, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (127 * STROKES, "found the values 0, 127, 254; expected scribbles of 0 unknown, 1 smoke, 2 background"),
        (np.where(STROKES == 1, 0, STROKES), "found no stroke on smoke; expected scribbles"),
        (STROKES[..., None] * np.array([1, 0, 0], np.uint8), "found the values .*; expected scribbles"),
    ],
)
def test_what_are_no_scribbles_is_refused_with_its_values(pixels, words):
    with pytest.raises(ValueError, match=words):
        strokes_of(pixels)
