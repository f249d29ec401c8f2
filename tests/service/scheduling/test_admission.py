"""Who is let in, what each holds inside, and that it is given back."""

import pytest

from service.errors import ClientGone, Draining, ServiceFull
from service.scheduling.admission import AdmissionControl, Phase
from service.scheduling.backlog import WaitPolicy
from service.scheduling.context import RequestContext
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from tests.service.scheduling.door import Door


def test_nobody_is_let_in_before_the_start():
    limits = InFlightLimits(1, 1, 1, 1)
    control = AdmissionControl(limits, WaitPolicy(1.0, 1.0), ServiceTimeEstimator())
    with pytest.raises(Draining, match="found the service starting"), control.admit(RequestContext()):
        pass


def test_draining_lets_nobody_in_but_those_inside_finish(door):
    admission = door.enter()
    door.control.drain()
    with pytest.raises(Draining, match="found the service draining"):
        door.enter()
    assert (door.control.phase, door.control.inside) == (Phase.DRAINING, 1)
    door.leave(admission)
    assert door.control.inside == 0


def test_everything_is_given_back_after_a_failure(door):
    def fail() -> None:
        with door.control.admit(RequestContext()) as admission:
            admission.arrived(60)
            admission.hold_pixels(60)
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert (door.control.inside, door.used) == (0, (0, 0, 0))


# What one request holds


def test_what_a_request_takes_it_gives_back(door):
    admission = door.enter("ridge", cost=5, body_bytes=60)
    assert door.used == (5, 0, 0)
    admission.arrived(10)
    admission.arrived(20)
    admission.hold_pixels(40)
    assert door.used == (5, 30, 40)
    admission.hold_pixels(40)  # decoded again
    admission.hold_pixels(10)
    assert door.used == (5, 30, 10)
    door.leave(admission)
    assert door.used == (0, 0, 0)


def test_it_is_given_back_once(door):
    admission = door.enter()
    admission.arrived(10)
    admission.hold_pixels(10)
    admission.release()
    door.leave(admission)
    assert door.used == (0, 0, 0)


def test_a_request_that_left_holds_no_pixels_any_more(door):
    admission = door.enter()
    door.leave(admission)
    with pytest.raises(ClientGone):
        admission.hold_pixels(10)
    assert door.used == (0, 0, 0)


# Limits


def test_one_request_too_many_is_refused():
    door = Door(requests=2)
    assert door.accepts() == 2
    with pytest.raises(ServiceFull, match="found 2 requests in flight, expected at most 1 to take 1 more"):
        door.enter()


def test_a_camera_that_floods_leaves_room_for_the_others():
    door = Door(wait_max_s=10.0, camera_requests=2)
    first, _ = door.enter("flood"), door.enter("flood")
    refusal = "found 2 requests of camera flood in flight, expected at most 1 to take 1 more"
    with pytest.raises(ServiceFull, match=refusal):
        door.enter("flood")
    assert door.enter("ridge")
    assert [door.enter() for _ in range(3)]  # those without a camera are nobody's in particular
    door.leave(first)
    assert door.enter("flood")


def test_a_request_for_tiles_counts_as_five():
    door = Door(wait_max_s=10.0, requests=9, camera_requests=5)
    admission = door.enter("ridge", cost=5)
    with pytest.raises(ServiceFull, match="found 5 requests of camera ridge in flight"):
        door.enter("ridge")
    with pytest.raises(ServiceFull, match="found 5 requests in flight"):
        door.enter("lake", cost=5)
    door.leave(admission)
    assert door.enter("ridge", cost=5)


def test_a_body_for_which_there_is_no_room_is_refused_at_the_door(door):
    door.enter().arrived(60)
    with pytest.raises(ServiceFull, match="found 60 bytes in flight, expected at most 50 to take 50 more"):
        door.enter(body_bytes=50)
    assert door.enter(body_bytes=40)


def test_bytes_are_held_as_they_arrive_and_not_as_they_are_declared():
    door = Door(wait_max_s=10.0)
    liars = [door.enter(body_bytes=100, whole=False) for _ in range(13)]
    for liar in liars:
        liar.arrived(2)
    assert door.used[1] == 26
    honest = door.enter(body_bytes=70)
    honest.arrived(70)
    with pytest.raises(ServiceFull, match="found 96 bytes in flight"):
        liars[0].arrived(50)


def test_pixels_are_refused_when_the_header_is_read_and_at_the_door_once_there_is_no_room_at_all(door):
    first, second = door.enter(), door.enter()
    first.hold_pixels(90)
    with pytest.raises(ServiceFull, match="found 90 pixels in flight, expected at most 80 to take 20 more"):
        second.hold_pixels(20)
    second.hold_pixels(10)
    with pytest.raises(ServiceFull, match="found 100 pixels in flight"):
        door.enter()
