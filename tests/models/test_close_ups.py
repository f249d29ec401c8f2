"""Where close-ups are taken, what they show, and how they are merged."""

import math

import cv2
import numpy as np
import pytest

from models.close_ups import CloseUpError, CloseUps, close_ups
from models.geometry import Region, fit
from models.maps import SegmentationMaps
from tests.pictures import noisy

SQUARE = 120
SIDE = 50
"""5 / 12 of it."""


def spotted(*spots: tuple[int, int, int]) -> np.ndarray:
    """A probability of .9 on squares (top, left, side), else of .1."""
    probability = np.full((SQUARE, SQUARE), 0.1, np.float32)
    for top, left, side in spots:
        probability[top : top + side, left : left + side] = 0.9
    return probability


def windows(probability: np.ndarray, **changes) -> list[tuple[int, int, int, int]]:
    found = CloseUps(**changes).windows(probability, 1920, 1080)
    return [(window.top, window.left, window.height, window.width) for window in found]


def maps(probability: float, total: float, aleatoric: float, novelty: float | None = None) -> SegmentationMaps:
    each = (
        np.full((SQUARE, SQUARE), value, np.float32) for value in (probability, total, aleatoric, total - aleatoric)
    )
    return SegmentationMaps(*each, novelty=novelty)


def test_a_small_region_lies_in_the_middle_of_its_window():
    assert windows(spotted((60, 50, 4))) == [(37, 27, SIDE, SIDE)]


def test_a_window_ends_where_the_square_does():
    assert windows(spotted((0, 116, 4))) == [(0, 70, SIDE, SIDE)]


@pytest.mark.parametrize(
    ("spots", "changes"),
    [
        ((), {}),
        (((60, 50, 6),), {}),  # 36 of 14,400 pixels are .0025 of them
        (((60, 50, 4),), {"seen": 0.95}),
        (((60, 50, 1),), {"smallest": 0.0001}),
    ],
)
def test_no_window_is_around_what_is_large_or_unsure_or_a_speck(spots, changes):
    assert windows(spotted(*spots), **changes) == []


def test_a_frame_with_no_more_pixels_than_the_square_has_nothing_more_to_show():
    probability = spotted((60, 50, 4))
    assert CloseUps().windows(probability, SQUARE, 80) == ()
    assert len(CloseUps().windows(probability, SQUARE + 1, 80)) == 1


@pytest.mark.parametrize(
    ("spots", "changes"),
    [
        (((60, 50, 6),), {"largest": 0.0025}),
        (((60, 50, 4),), {"seen": float(np.float32(0.9))}),
        (((60, 50, 1),), {"smallest": 1 / SQUARE**2}),
    ],
)
def test_what_is_just_small_and_sure_and_large_enough_has_a_window(spots, changes):
    assert len(windows(spotted(*spots), **changes)) == 1


def test_a_region_that_an_earlier_window_holds_has_none_of_its_own():
    assert windows(spotted((60, 50, 5), (50, 60, 4))) == [(38, 28, SIDE, SIDE)]


@pytest.mark.parametrize("across", [(36, 60, 4), (86, 60, 4), (50, 26, 4), (50, 76, 4)])
def test_a_region_that_lies_across_an_end_of_an_earlier_window_has_its_own(across):
    assert len(windows(spotted((60, 50, 5), across))) == 2


def test_the_largest_regions_come_first_and_only_so_many():
    spots = [(10, 10, 3), (10, 100, 4), (100, 10, 5)]
    assert windows(spotted(*spots), most=2) == [(70, 0, SIDE, SIDE), (0, 70, SIDE, SIDE)]


def test_a_close_up_shows_its_piece_of_the_frame_at_its_own_resolution():
    image = noisy(1, 480, 240)
    (shown,) = close_ups(image, [Region(left=30, top=60, width=50, height=50, area_px=2500, label=1)], SQUARE)
    assert shown.shape == (SQUARE, SQUARE, 3)
    np.testing.assert_array_equal(shown, fit(image[120:220, 120:320], SQUARE))


def test_within_a_window_the_maps_are_the_close_ups_and_outside_the_whole_frames():
    whole, near = maps(0.2, 0.4, 0.3, novelty=1.5), maps(0.7, 0.6, 0.2)
    merged = CloseUps().merge(whole, [Region(20, 40, SIDE, SIDE, SIDE * SIDE, 1)], [near])
    inside, window = np.s_[50:80, 30:60], np.zeros((SQUARE, SQUARE), bool)
    window[40:90, 20:70] = True
    for found, of_whole, of_near in zip(merged.maps, whole.maps, near.maps, strict=True):
        np.testing.assert_allclose(found[inside], of_near[inside], atol=1e-6)
        np.testing.assert_array_equal(found[~window], of_whole[~window])
    np.testing.assert_allclose(merged.total, merged.aleatoric + merged.epistemic, atol=1e-6)
    assert merged.novelty == 1.5
    assert whole.probability.max() == np.float32(0.2)


def test_the_way_from_the_one_look_to_the_other_is_gradual_but_for_the_frames_own_edge():
    merged = CloseUps().merge(maps(0.0, 0.0, 0.0), [Region(0, 40, SIDE, SIDE, SIDE * SIDE, 1)], [maps(0.7, 0.5, 0.5)])
    down, across = merged.probability[:, 10], merged.probability[60]
    assert np.abs(np.diff(down)).max() <= 1 / (0.15 * SIDE) + 1e-6
    assert down[40] == down[40 + SIDE - 1] == pytest.approx(0.7 * 0.5 / (0.15 * SIDE))
    assert across[0] == pytest.approx(0.7)
    assert (np.diff(across) <= 1e-6).all()


@pytest.mark.parametrize(
    ("left", "columns", "left_out"),
    [
        (20, np.s_[:60], True),
        (20, np.s_[3:60], False),  # of 120 columns which become 50, so that its outermost one is clear
        (20, np.s_[60:], True),
        (0, np.s_[:60], False),
        (SQUARE - SIDE, np.s_[60:], False),
    ],
)
def test_smoke_that_its_window_cuts_is_left_as_the_whole_frame_shows_it_but_the_frame_may_cut_it(
    left, columns, left_out
):
    near = maps(0.1, 0.3, 0.2)
    near.probability[50:70, columns] = 0.75
    whole = maps(0.6, 0.5, 0.3)
    merged = CloseUps().merge(whole, [Region(left, 40, SIDE, SIDE, SIDE * SIDE, 1)], [near])
    assert (merged.probability.max() < 0.65) == left_out
    assert np.array_equal(merged.total, whole.total) == left_out


def test_without_a_window_the_maps_are_those_of_the_whole_frame():
    whole = maps(0.2, 0.4, 0.3)
    assert CloseUps().merge(whole, (), ()) is whole


def test_a_plume_is_placed_where_it_is_on_the_frame():
    """A disc of 9 pixels of a frame four times as large: the square dims and blurs it, the close-up does not."""
    image = np.zeros((480, 480, 3), np.uint8)
    cv2.circle(image, (201, 301), 9, (255, 255, 255), -1)

    def read(view: np.ndarray) -> SegmentationMaps:
        probability = view[..., 0].astype(np.float32) / 255
        return SegmentationMaps(probability, *(np.zeros_like(probability),) * 3)

    whole = read(fit(image, SQUARE))
    found = CloseUps().windows(whole.probability, 480, 480)
    merged = CloseUps().merge(whole, found, [read(view) for view in close_ups(image, found, SQUARE)])
    np.testing.assert_allclose(merged.probability, whole.probability, atol=0.35)
    rows, columns = np.nonzero(merged.probability >= 0.5)
    assert (columns.mean(), rows.mean()) == pytest.approx((201 / 4, 301 / 4), abs=0.5)


@pytest.mark.parametrize(
    "changes",
    [
        *({"seen": value} for value in (0.0, 1.5, math.nan, "half", True, None)),
        *({name: 2.0} for name in ("smallest", "largest", "side", "cut")),
        {"side": 0.001},
        *({"most": value} for value in (0, 17, 2.0, True)),
    ],
)
def test_what_cannot_be_is_refused(changes):
    with pytest.raises(CloseUpError, match=f"found close_ups.{next(iter(changes))} .*, expected"):
        CloseUps(**changes)


@pytest.mark.parametrize("changes", [{"seen": 1.0}, {"side": 0.1}, {"most": 1}, {"most": 16}])
def test_the_ends_of_the_ranges_are_possible(changes):
    CloseUps(**changes)


@pytest.mark.parametrize("raw", [None, [], {}, {"seen": 0.5}, {"seen": 0.5, "odd": 1}])
def test_json_that_is_none_of_close_ups_is_refused(raw):
    with pytest.raises(CloseUpError, match="expected seen, smallest, largest, side, most, cut"):
        CloseUps.from_json(raw)
