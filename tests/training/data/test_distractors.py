"""Pale things that are taken off one frame and put into another: rectangles of known place and colour on flat grounds."""

import numpy as np
import pytest

from models.geometry import RGB, Map
from training.data.distractors import Distractor, cut_distractor, paste_distractor

SIZE = (192, 256)
NOWHERE = np.zeros(SIZE, np.float32)
GROUND, PALE = 90, 180
ROOF = (slice(120, 126), slice(60, 70))


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(level: int) -> RGB:
    return np.full((*SIZE, 3), level, np.uint8)


def landscape(*places: tuple[slice, slice], level: int = PALE) -> RGB:
    image = flat(GROUND)
    for place in places:
        image[place] = level
    return image


def roof() -> Distractor:
    distractor = cut_distractor(landscape(ROOF), NOWHERE, rng(0))
    assert distractor is not None
    return distractor


def around(place: tuple[slice, slice]) -> Map:
    mask = NOWHERE.copy()
    mask[place] = 1.0
    return mask


def changed(after: RGB, before: RGB) -> Map:
    return np.asarray(np.abs(after.astype(int) - before.astype(int)).max(axis=2))


def test_a_pale_thing_is_taken_whole_with_little_around_it():
    distractor = roof()
    assert distractor.image.shape == (14, 18, 3)
    assert distractor.top == 116 / 192
    assert distractor.frame == SIZE
    assert (distractor.image[4:-4, 4:-4] == PALE).all()
    assert (distractor.cover[4:-4, 4:-4] > 0.9).all()
    edges = distractor.cover.copy()
    edges[1:-1, 1:-1] = 0.0
    assert edges.max() < 0.05


@pytest.mark.parametrize(
    "image",
    [
        flat(GROUND),
        landscape(ROOF, level=GROUND + 10),
        landscape(ROOF, level=20),
        landscape((slice(10, 16), slice(60, 70))),
        landscape((slice(100, 160), slice(20, 200))),
        landscape((slice(120, 121), slice(60, 61))),
    ],
    ids=["nothing", "faint", "dark", "sky", "a field", "a pixel"],
)
def test_what_is_no_pale_thing_is_left_alone(image: RGB):
    assert cut_distractor(image, NOWHERE, rng(0)) is None


def test_nothing_is_taken_off_smoke_or_close_to_it():
    image = landscape(ROOF)
    assert cut_distractor(image, around(ROOF), rng(0)) is None
    assert cut_distractor(image, around((slice(112, 116), slice(72, 76))), rng(0)) is None
    assert cut_distractor(image, around((slice(60, 70), slice(200, 220))), rng(0)) is not None


def test_every_thing_has_its_turn():
    image = landscape(*((slice(100 + 20 * row, 104 + 20 * row), slice(60, 70)) for row in range(4)))
    tops = {
        round(distractor.top * 192)
        for seed in range(40)
        if (distractor := cut_distractor(image, NOWHERE, rng(seed))) is not None
    }
    assert tops == {96, 116, 136, 156}


def test_it_is_put_before_a_darker_ground_near_its_own_height():
    rows, sizes = [], []
    before = flat(60)
    for seed in range(60):
        after = paste_distractor(roof(), before, NOWHERE, rng(seed))
        strong = changed(after, before) > 30
        assert strong.any()
        assert after.max() <= PALE
        assert (before == 60).all()
        rows.append(np.flatnonzero(strong.any(axis=1)).mean() / 192)
        sizes.append(strong.sum())
    assert np.mean(rows) == pytest.approx(123 / 192, abs=0.04)
    assert 0.04 < np.std(rows) < 0.12
    assert max(sizes) > 6 * min(sizes)


def test_it_is_never_put_where_it_would_be_dark_or_not_seen():
    for level in (PALE - 4, PALE, 255):
        assert all(
            np.array_equal(paste_distractor(roof(), flat(level), NOWHERE, rng(seed)), flat(level)) for seed in range(20)
        )


def test_it_never_covers_smoke():
    smoke = NOWHERE.copy()
    smoke[:, :160] = 1.0
    before, pasted_somewhere = flat(60), 0
    for seed in range(60):
        after = paste_distractor(roof(), before, smoke, rng(seed))
        assert not changed(after, before)[smoke > 0].any()
        pasted_somewhere += changed(after, before).any()
    assert pasted_somewhere > 30


def test_what_does_not_fit_is_not_put():
    small = np.full((4, 5, 3), 60, np.uint8)
    assert np.array_equal(paste_distractor(roof(), small, np.zeros((4, 5), np.float32), rng(1)), small)
