import pytest

from service.errors import Draining, ServiceFull
from service.scheduling.admission import Lifecycle, Phase
from service.scheduling.backlog import Line, Patience
from service.scheduling.permits import Ceilings, Permits
from service.scheduling.service_time import Pace


def door(requests_max: int = 1) -> Lifecycle:
    permits = Permits(Ceilings(requests_max, camera_requests=requests_max, bytes=1, pixels=1))
    return Lifecycle(permits, Line(Pace(), Patience()))


def opened(requests_max: int) -> Lifecycle:
    lifecycle = door(requests_max)
    lifecycle.open()
    return lifecycle


def test_nobody_is_let_in_before_the_start():
    with pytest.raises(Draining, match="found the service starting"), door().admit():
        pass


def test_places_are_bounded_and_given_back():
    lifecycle = opened(2)
    for _ in range(2):
        with (
            lifecycle.admit(),
            lifecycle.admit(),
            pytest.raises(ServiceFull, match="found 2 requests"),
            lifecycle.admit(),
        ):
            pass


def test_a_place_is_given_back_after_a_failure():
    lifecycle = opened(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), lifecycle.admit():
            raise ZeroDivisionError


def test_draining_lets_nobody_in_but_those_inside_finish():
    lifecycle = opened(2)
    with lifecycle.admit():
        lifecycle.drain()
        with pytest.raises(Draining, match="found the service draining"), lifecycle.admit():
            pass
    assert lifecycle.phase is Phase.DRAINING
