import pytest

from service.scheduling.backlog import Backlog
from service.scheduling.context import RequestContext
from service.scheduling.service_time import ServiceTimeEstimator

INTERVAL_S = 0.1
NOBODY = RequestContext()
RIDGE = RequestContext("ridge")


def backlog(*requests: RequestContext, parallelism: int = 1) -> Backlog:
    """Those in flight, where an answer is given every 0.1 s."""
    estimator = ServiceTimeEstimator(parallelism)
    estimator.record_run(INTERVAL_S * parallelism)
    return Backlog(requests, estimator)


def waits(found: Backlog, newcomer: RequestContext, replaced: int = 0) -> float:
    """In tenths of a second, as many as there are frames before it."""
    return pytest.approx(found.wait_s(newcomer, replaced) / INTERVAL_S)


@pytest.mark.parametrize(
    ("inside", "parallelism", "frames"), [(0, 1, 0), (1, 1, 1), (6, 1, 6), (1, 2, 0), (2, 2, 1), (6, 2, 5), (7, 8, 0)]
)
def test_a_frame_waits_until_as_many_have_been_answered_as_leave_it_a_place(inside, parallelism, frames):
    found = backlog(*[NOBODY] * inside, parallelism=parallelism)
    assert waits(found, NOBODY) == frames
    assert found.total_wait_s == pytest.approx(frames * INTERVAL_S)


def test_nobody_waits_before_the_first_answer_said_how_long_it_takes():
    assert Backlog([NOBODY] * 100, ServiceTimeEstimator()).wait_s(NOBODY) == 0.0


def test_a_camera_that_floods_waits_behind_itself_and_others_for_one_turn_of_it():
    found = backlog(*[RequestContext("flood")] * 20)
    assert waits(found, RequestContext("flood")) == 20
    assert waits(found, RIDGE) == 2  # the one that the model works on, and one turn
    assert waits(found, NOBODY) == 2


@pytest.mark.parametrize(("own", "frames"), [(0, 2), (1, 4), (2, 6), (20, 40)])
def test_before_each_of_its_own_the_other_camera_has_a_turn(own, frames):
    assert waits(backlog(*[RequestContext("flood")] * 20, *[RIDGE] * own), RIDGE) == frames


def test_cameras_in_lock_step_wait_for_all_that_came_before():
    cameras = [RequestContext(f"camera-{number}") for number in range(100)]
    assert [backlog(*cameras[:number]).wait_s(cameras[number]) for number in range(100)] == pytest.approx(
        [number * INTERVAL_S for number in range(100)]
    )


def test_a_request_for_tiles_is_as_many_frames_as_it_has_views():
    assert waits(backlog(RequestContext(cost=5)), NOBODY) == 5


def test_another_cameras_turn_is_as_long_as_its_request():
    wide = [RequestContext("wide", cost=5)] * 2
    assert waits(backlog(*wide), RIDGE) == 6  # the one that the model works on, and a turn of five
    assert waits(backlog(*wide, RIDGE), RIDGE) == 8  # its own beside, and a sixth of the other's


def test_a_frame_does_not_wait_for_the_one_that_it_replaces():
    found = backlog(*[RIDGE] * 6)
    assert waits(found, RIDGE) == 6
    assert waits(found, RIDGE, replaced=1) == 5
    assert waits(backlog(RequestContext("ridge", cost=5), NOBODY), RIDGE, replaced=5) == 1


def test_frames_are_counted_by_camera():
    found = backlog(RIDGE, NOBODY, RequestContext("ridge", cost=5))
    assert (found.total, found.of("ridge"), found.of(None), found.of("lake")) == (7, 6, 1, 0)
