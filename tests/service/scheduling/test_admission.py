import math
from contextlib import ExitStack

import pytest

from service.errors import ClientGone, DeadlineTooShort, Draining, ServiceFull
from service.scheduling.admission import Admission, AdmissionControl, Phase
from service.scheduling.backlog import WaitPolicy
from service.scheduling.context import RequestContext
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from tests.performance.open_loop import percentile


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Door:
    """Admission in time that is reckoned: by default a frame takes 0.1 s, one at a time, and 0.5 s is the longest wait."""

    def __init__(
        self,
        wait_max_s: float = 0.5,
        camera_wait_max_s: float = 10.0,
        run_s: float = 0.1,
        runners: int = 1,
        **limits: int,
    ) -> None:
        self.clock = Clock()
        self.estimator = ServiceTimeEstimator(runners)
        if run_s:
            self.estimator.record_run(run_s)
        most = InFlightLimits(**{"requests": 1000, "camera_requests": 1000, "bytes": 100, "pixels": 100, **limits})
        self.control = AdmissionControl(most, WaitPolicy(wait_max_s, camera_wait_max_s), self.estimator, self.clock)
        self.control.open()
        self._stacks: dict[Admission, ExitStack] = {}

    def enter(
        self,
        camera: str | None = None,
        left_s: float = math.inf,
        *,
        cost: int = 1,
        body_bytes: int = 0,
        replaced: int = 0,
        whole: bool = True,
        hurried: bool = False,
    ) -> Admission:
        """Let one in; its body is there at once if it is `whole`."""
        now_s = self.clock.now_s
        stack = ExitStack()
        context = RequestContext(camera, replaced > 0, now_s, now_s + left_s, cost, hurried)
        admission = stack.enter_context(self.control.admit(context, body_bytes, replaced))
        if whole:
            admission.complete()
        self._stacks[admission] = stack
        return admission

    def leave(self, admission: Admission) -> None:
        self._stacks.pop(admission).close()

    def accepts(self, camera: str | None = None, most: int = 200) -> int:
        """How many frames get in before one is refused."""
        for number in range(most):
            try:
                self.enter(camera)
            except ServiceFull:
                return number
        return most

    @property
    def used(self) -> tuple[int, int, int]:
        return self.control.backlog.total, self.control.bytes.used, self.control.pixels.used


@pytest.fixture
def door() -> Door:
    return Door()


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


# A day at the door


class Shop(Door):
    """Two runners behind the door, in time that is reckoned, not waited for."""

    def __init__(self, service_s: float = 0.11, runners: int = 2, **chosen: float) -> None:
        super().__init__(**{"wait_max_s": 2.0, "camera_wait_max_s": 30.0, **chosen}, run_s=service_s, runners=runners)
        self.service_s = service_s
        self.refused = 0
        self._free_s = [0.0] * runners
        self._inside: list[tuple[float, Admission]] = []

    def serve(self, arrivals: list[tuple[float, str | None]]) -> list[float]:
        """Latencies of those who were let in, out of (time, camera)."""
        return [latency for at_s, camera in arrivals if (latency := self.one(at_s, camera)) is not None]

    def one(self, at_s: float, camera: str | None = None) -> float | None:
        while self._inside and self._inside[0][0] <= at_s:
            self.clock.now_s, admission = self._inside.pop(0)
            self.leave(admission)
        self.clock.now_s = at_s
        try:
            admission = self.enter(camera)
        except ServiceFull:
            self.refused += 1
            return None
        runner = self._free_s.index(min(self._free_s))
        done_s = self._free_s[runner] = max(at_s, self._free_s[runner]) + self.service_s
        self._inside.append((done_s, admission))
        return done_s - at_s


def schedule(rate_per_s: float, seconds: float) -> list[tuple[float, None]]:
    return [(number / rate_per_s, None) for number in range(int(rate_per_s * seconds))]


def test_at_four_times_the_capacity_no_runner_idles_and_nobody_waits_for_longer_than_the_bound():
    capacity = 2 / 0.11
    calm = Shop().serve(schedule(0.8 * capacity, 60))
    assert len(calm) == int(0.8 * capacity * 60)
    rushed = Shop().serve(schedule(4 * capacity, 60))
    assert len(rushed) >= 0.99 * capacity * 60
    assert percentile(rushed, 0.99) <= 2.0 + 2 * percentile(calm, 0.99)
    assert max(rushed) <= 2.0 + 0.11 + 1e-6


def test_sixteen_clients_that_ask_again_as_soon_as_they_are_answered_are_never_refused():
    shop = Shop()
    due_s = [0.001 * number for number in range(16)]
    for _ in range(1000):
        client = due_s.index(min(due_s))
        latency = shop.one(due_s[client])
        assert latency is not None
        due_s[client] += latency
    assert max(due_s) == pytest.approx(1000 * 0.11 / 2, rel=0.05)  # and no runner idles


def test_cameras_in_lock_step_are_all_served_round_after_round():
    cameras = [(60.0 * turn + 0.001 * number, f"camera-{number}") for turn in range(6) for number in range(100)]
    latencies = Shop().serve(cameras)
    assert len(latencies) == 600
    assert max(latencies) < 5.6  # a hundred frames, eighteen a second


def test_a_client_without_cameras_names_does_not_keep_cameras_out():
    shop = Shop()
    shop.serve([(0.0, None)] * 100)
    assert 0 < shop.refused < 100
    assert len(shop.serve([(0.0, f"camera-{number}") for number in range(100)])) == 100
