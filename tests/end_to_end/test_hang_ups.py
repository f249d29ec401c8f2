"""A few seconds of what `make hang-ups` does for a minute."""

from tests.performance.hang_ups import POINTS, faults, hang_up_for


def test_callers_who_hang_up_at_any_point_leave_nothing_behind(start):
    left, before, after = hang_up_for(start(), seconds=3.0, callers=8)
    assert set(left) == set(POINTS)
    assert after.ended > before.ended
    assert faults(before, after) == []
