"""Who is refused because he would wait too long, and when he is told to come back."""

import math

import pytest

from service.errors import DeadlineTooShort, ServiceFull
from service.scheduling.context import RequestContext
from tests.service.scheduling.door import Door

# The wait


def test_frames_are_let_in_until_the_wait_would_be_too_long(door):
    assert door.accepts() == 6  # the sixth waits for five, 0.5 s
    with pytest.raises(ServiceFull, match="found about 600 ms of frames ahead, expected at most 500 ms of them"):
        door.enter()


def test_who_leaves_makes_room(door):
    first = door.enter()
    assert door.accepts() == 5
    door.leave(first)
    assert door.accepts() == 1


@pytest.mark.parametrize("runners", [1, 2, 8])
def test_a_bound_of_zero_lets_in_what_is_served_at_once_and_nothing_else(runners):
    assert Door(wait_max_s=0.0, camera_wait_max_s=0.0, runners=runners).accepts("ridge") == runners


def test_nobody_is_refused_before_the_first_answer_said_how_long_it_takes():
    assert Door(run_s=0.0).accepts() == 200


def test_a_cameras_only_frame_may_wait_longer(door):
    assert [door.accepts(f"camera-{number}", most=1) for number in range(120)] == [1] * 101 + [0] * 19  # 10 s
    with pytest.raises(ServiceFull, match="expected at most 500 ms"):
        door.enter("camera-3")
    with pytest.raises(ServiceFull, match="expected at most 500 ms"):
        door.enter()


def test_a_camera_whose_frame_was_answered_may_wait_as_long_again(door):
    inside = [door.enter(f"camera-{number}") for number in range(50)]
    door.leave(inside[3])
    assert door.enter("camera-3")


def test_where_every_frame_may_wait_longer_so_may_a_cameras_only_one():
    door = Door(wait_max_s=1.0, camera_wait_max_s=0.0)
    assert door.accepts() == 11
    assert door.accepts("ridge") == 5  # 0.2, 0.4, ... 1.0 s: the other's turns and its own


def test_a_camera_that_floods_waits_behind_itself_and_others_do_not(door):
    assert door.accepts("flood") == 6
    assert door.accepts("ridge") == 2  # after 0.2 and 0.4 s
    with pytest.raises(ServiceFull):
        door.enter("flood")


def test_a_deadline_that_cannot_be_met_is_refused_at_the_door(door):
    for _ in range(3):
        door.enter()
    with pytest.raises(ServiceFull, match="found about 300 ms of frames ahead, expected at most 200 ms of them"):
        door.enter(left_s=0.3)
    assert door.enter(left_s=0.41)


def hurried(left_s: float) -> RequestContext:
    return RequestContext(None, arrived_s=100.0, deadline_s=100.0 + left_s, hurried=True)


@pytest.mark.parametrize("left_s", [0.02, 0.19])
def test_a_caller_who_gives_less_than_the_work_takes_is_told_so_and_not_that_the_service_is_full(door, left_s):
    assert door.control.too_short(hurried(left_s))
    for _ in range(3):
        door.enter()
    with pytest.raises(DeadlineTooShort, match=r"found a deadline of \d+ ms, expected the 100 ms of work on a frame"):
        door.enter(left_s=left_s, hurried=True)


def test_before_a_first_answer_a_deadline_of_a_few_seconds_is_the_callers_own_impatience():
    assert Door(run_s=0.0).control.too_short(hurried(9.9))
    assert not Door(run_s=0.0).control.too_short(RequestContext(None, arrived_s=100.0, deadline_s=100.001))


def test_a_deadline_that_leaves_room_for_the_work_is_the_services_to_keep(door):
    assert not door.control.too_short(hurried(0.21))
    assert not door.control.too_short(RequestContext(None, arrived_s=100.0, deadline_s=100.001))  # the service's own
    assert not Door(run_s=0.0).control.too_short(hurried(10.0))
    for _ in range(3):
        door.enter()
    with pytest.raises(ServiceFull):
        door.enter(left_s=0.21, hurried=True)


def test_what_would_be_served_at_once_is_tried_whatever_its_deadline(door):
    assert door.enter(left_s=0.001)


def test_a_deadline_leaves_time_for_five_where_tiles_are_wanted(door):
    door.enter()
    with pytest.raises(ServiceFull):
        door.enter(left_s=0.59, cost=5)
    assert door.enter(left_s=0.61, cost=5)


# A frame that takes the place of another


def test_a_frame_that_replaces_one_is_let_in_where_no_other_is():
    door = Door(requests=6, camera_requests=5)
    for _ in range(5):
        door.enter("ridge")
    door.enter()
    for camera in ("ridge", "lake", None):
        with pytest.raises(ServiceFull):
            door.enter(camera)
    newest = door.enter("ridge", replaced=1)
    assert door.used[0] == 7  # until the one that it replaces has left
    with pytest.raises(
        ServiceFull, match="found 6 requests of camera ridge in flight, expected at most 5 to take 0 more"
    ):
        door.enter("ridge", replaced=1)
    door.leave(newest)
    assert door.enter("ridge", replaced=1)


def test_a_frame_that_replaces_one_may_wait_as_long_as_that_one_would_have(door):
    assert door.accepts("ridge") == 6
    with pytest.raises(ServiceFull):
        door.enter("ridge")
    assert door.enter("ridge", replaced=1)


def test_a_frame_that_would_come_too_late_replaces_none(door):
    door.accepts("ridge")
    with pytest.raises(ServiceFull, match="found about 500 ms of frames ahead, expected at most 200 ms of them"):
        door.enter("ridge", left_s=0.3, replaced=1)


def test_five_take_the_place_of_one_only_where_there_is_room_for_four_more():
    door = Door(wait_max_s=10.0, requests=5)
    door.enter("ridge")
    assert door.enter("ridge", cost=5, replaced=1)
    with pytest.raises(ServiceFull, match="expected at most 1 to take 4 more"):
        door.enter("ridge", cost=5, replaced=1)


# Bodies that are slow to arrive


def test_a_body_that_is_slow_to_arrive_keeps_nobody_out():
    door = Door(requests=6)
    slow = [door.enter(whole=False) for _ in range(6)]
    with pytest.raises(ServiceFull):
        door.enter()
    door.clock.now_s += 1.01
    assert door.accepts() == 6
    for admission in slow:
        door.leave(admission)
    assert door.used == (6, 0, 0)


def test_a_body_that_comes_late_counts_again_once_it_is_there(door):
    slow = [door.enter(whole=False) for _ in range(6)]
    door.clock.now_s += 1.01
    assert door.control.backlog.total_wait_s == 0.0
    assert door.control.inside == 6  # draining waits for them
    for admission in slow:
        admission.complete()
    assert door.control.backlog.total_wait_s == pytest.approx(0.6)


# When to come back


def test_who_is_refused_is_told_to_come_back_when_the_wait_is_short_enough_and_not_all_at_once():
    door = Door(wait_max_s=0.5, camera_wait_max_s=100.0)
    for number in range(100):
        door.enter(f"camera-{number}")

    def refused() -> int:
        with pytest.raises(ServiceFull) as refusal:
            door.enter()
        return refusal.value.retry_after_s

    assert {refused() for _ in range(500)} == set(range(10, 16))  # 9.5 s too long, and up to half as much


def test_nobody_is_told_to_come_back_at_once_or_never(door):
    found = set()
    door.accepts()
    for left_s in (math.inf, 0.001):
        for _ in range(50):
            with pytest.raises(ServiceFull) as refusal:
                door.enter(left_s=left_s)
            found.add(refusal.value.retry_after_s)
    assert found == {1, 2}
    slow = Door(run_s=100.0)
    slow.enter()
    with pytest.raises(ServiceFull) as refusal:
        slow.enter()
    assert refusal.value.retry_after_s == 30
