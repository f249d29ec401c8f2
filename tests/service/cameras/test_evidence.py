import numpy as np
import pytest

from service.cameras.evidence import AlarmPolicy, RegionObservation, merge_places, overlaps, silent_above, weigh

EXACT = AlarmPolicy(overlap=0.25, margin=0.0)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 4)


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ((0.0, 0.0, 0.5, 0.5), True),
        ((0.25, 0.25, 0.75, 0.75), True),  # a quarter of both
        ((0.26, 0.25, 0.76, 0.75), False),
        ((0.1, 0.1, 0.12, 0.12), True),  # inside, however small
        ((0.6, 0.6, 0.9, 0.9), False),
    ],
)
def test_boxes_are_at_one_place_from_a_quarter_of_the_smaller_one_on(other, near):
    here = boxes((0.0, 0.0, 0.5, 0.5))
    assert overlaps(here, boxes(other), EXACT)[0, 0] == near
    assert overlaps(boxes(other), here, EXACT)[0, 0] == near


def test_the_margin_brings_two_specks_together_that_do_not_touch():
    one, other = boxes((0.1, 0.1, 0.105, 0.105)), boxes((0.106, 0.1, 0.111, 0.105))
    assert not overlaps(one, other, EXACT)[0, 0]
    assert overlaps(one, other, AlarmPolicy(margin=0.01))[0, 0]


def test_of_several_regions_of_a_frame_at_a_place_the_surest_counts_once():
    here = (0.0, 0.0, 0.5, 0.5)
    frame = [
        RegionObservation(here, 0.2, doubted=False),
        RegionObservation(here, 0.4, doubted=False),
        RegionObservation(here, 0.9, doubted=True),
    ]
    evidence = weigh([frame, [], frame], AlarmPolicy(sure=0.5, doubted=0.25))
    assert evidence.most == pytest.approx(2 * 0.4 / 0.5)
    assert evidence.most_undoubted == pytest.approx(2.0)
    assert evidence.most_frames == 2


def test_evidence_is_left_up_to_the_threshold_at_which_too_few_frames_still_show_smoke_at_one_place():
    here, there = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 0.9, 0.9)
    frames = [
        [RegionObservation(here, 0.9, False, above), RegionObservation(there, 0.9, False, 0.95)]
        for above in (0.5, 0.8, 0.6)
    ]
    frames[0].pop()
    assert silent_above(frames, AlarmPolicy(frames=3, hits=3.0)) == 0.5
    assert silent_above(frames, AlarmPolicy(frames=3, hits=2.0)) == 0.95
    assert silent_above([frames[0], [], []], AlarmPolicy(frames=3, hits=2.0)) == 0.0


def test_what_a_damaged_file_shows_weighs_half_and_is_no_less_there():
    here = (0.0, 0.0, 0.5, 0.5)
    sound, damaged = RegionObservation(here, 1.0, doubted=False), RegionObservation(here, 1.0, False, damaged=True)
    evidence = weigh([[sound], [damaged], [damaged]], AlarmPolicy())
    assert (evidence.most, evidence.most_undoubted, evidence.most_frames) == (2.0, 3.0, 3)
    doubted = RegionObservation(here, 1.0, doubted=True, damaged=True)
    assert weigh([[doubted]], AlarmPolicy(doubted=0.25)).most == 0.125


def test_where_nothing_was_seen_nothing_speaks_for_smoke():
    evidence = weigh([[], []], AlarmPolicy())
    assert (evidence.most, evidence.most_undoubted, evidence.most_frames) == (0.0, 0.0, 0)


def test_a_place_grows_by_what_overlaps_it_and_another_is_added():
    places = merge_places([(0.0, 0.0, 0.4, 0.4)], boxes((0.2, 0.2, 0.5, 0.5), (0.8, 0.8, 0.9, 0.9)), EXACT)
    assert places == [(0.0, 0.0, 0.5, 0.5), (0.8, 0.8, 0.9, 0.9)]
