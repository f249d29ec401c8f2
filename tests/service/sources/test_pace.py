"""An interval between frames, by a clock that is set by hand."""

from service.sources.readers.pace import Pace


def test_the_first_frame_is_due_at_once_and_the_next_after_the_interval():
    now_s = 100.0
    pace = Pace(10.0, lambda: now_s)
    assert pace.due
    pace.taken()
    assert (pace.due, pace.left_s) == (False, 10.0)
    now_s = 110.0
    assert pace.due


def test_a_frame_that_is_a_little_late_does_not_move_the_next():
    now_s = 100.0
    pace = Pace(1.0, lambda: now_s)
    pace.taken()
    for second in (101, 102, 103):
        now_s = second + 0.2
        assert pace.due
        pace.taken()
        assert round(pace.left_s, 6) == 0.8


def test_after_a_gap_frames_are_not_caught_up_with():
    now_s = 100.0
    pace = Pace(1.0, lambda: now_s)
    pace.taken()
    now_s = 150.0
    pace.taken()
    assert pace.left_s == 1.0
