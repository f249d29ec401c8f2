import math

import pytest

from service.errors import DeadlineTooShort, ServiceFull
from service.scheduling.backlog import Line, Patience
from service.scheduling.context import Ticket
from service.scheduling.service_time import Pace
from tests.performance.open_loop import percentile

RUN_S = 0.1


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line(clock) -> Line:
    """Frames take 0.1 s, one after another; the wait may be 0.5 s."""
    return line_of(clock)


def line_of(clock, wait_max_s: float = 0.5, burst_s: float = 10.0, slots: int = 1) -> Line:
    pace = Pace(slots)
    pace.ran(RUN_S * slots)
    return Line(pace, Patience(wait_max_s, burst_s), clock)


def ticket(
    camera: str | None = None, left_s: float = math.inf, *, latest: bool = False, now_s: float = 100.0
) -> Ticket:
    return Ticket(camera, latest, now_s, now_s + left_s)


def fill(line: Line, count: int, camera: str | None = None) -> list:
    """Let so many frames in whose bodies have arrived."""
    spots = [line.enter(ticket(camera)) for _ in range(count)]
    for spot in spots:
        spot.arrive()
    return spots


def accepted(line: Line, camera: str | None = None, most: int = 200) -> int:
    """How many frames get in before one is refused."""
    for number in range(most):
        try:
            fill(line, 1, camera)
        except ServiceFull:
            return number
    return most


def test_frames_are_let_in_until_the_wait_would_be_too_long(line):
    assert accepted(line) == 6  # the sixth waits for five, 0.5 s
    assert line.wait_s == pytest.approx(0.6)


def test_by_default_the_wait_may_be_as_long_as_the_work(clock):
    line = line_of(clock, wait_max_s=0.0, slots=8)  # a batch of eight takes 0.8 s, so a frame of it 0.1 s
    assert accepted(line) == 16  # nobody is refused before two rounds are full
    assert accepted(line_of(clock, wait_max_s=0.0, burst_s=0.0)) == 2


def test_anybody_may_wait_for_the_end_of_a_short_burst(clock):
    line = line_of(clock, wait_max_s=0.0)
    assert accepted(line) == 3  # the third waits 0.2 s
    clock.now_s += 0.06  # and 0.06 s later the burst would be too long
    with pytest.raises(ServiceFull):
        line.enter(ticket())


def test_where_frames_keep_coming_there_is_no_short_burst(clock):
    line = line_of(clock, wait_max_s=0.0)
    spots = fill(line, 3)
    for _ in range(100):
        clock.now_s += RUN_S
        spots.pop(0).leave()
        spots += fill(line, 2 - len(spots))
        with pytest.raises(ServiceFull):
            line.enter(ticket())


def test_nobody_is_refused_before_the_first_answer_said_how_long_it_takes(clock):
    assert accepted(Line(Pace(), Patience(0.5), clock)) == 200


def test_who_leaves_makes_room(line):
    spots = fill(line, 6)
    spots[0].leave()
    assert accepted(line) == 1


def test_the_refusal_says_what_was_found_and_what_was_expected(line):
    fill(line, 6)
    with pytest.raises(ServiceFull, match="found about 600 ms of frames ahead, expected at most 500 ms of them"):
        line.enter(ticket())


def test_a_camera_that_floods_waits_behind_itself_and_others_do_not(line):
    assert accepted(line, "flood") == 6
    assert accepted(line, "ridge") > 0
    with pytest.raises(ServiceFull):
        line.enter(ticket("flood"))


def test_frames_that_keep_coming_from_one_camera_leave_the_others_their_turns(clock):
    line = line_of(clock, burst_s=0.0)
    accepted(line, "flood")
    # Each frame of ridge waits for those of its own and for as many turns of the other camera: 1, 3, 5.
    assert accepted(line, "ridge") == 3


def test_a_hundred_cameras_in_lock_step_are_all_let_in(line):
    assert [accepted(line, f"camera-{number}", most=1) for number in range(100)] == [1] * 100


def test_a_burst_is_let_in_as_far_as_it_will_be_over_in_time(line):
    found = [accepted(line, f"camera-{number}", most=1) for number in range(150)]
    assert found == [1] * 101 + [0] * 49  # the last one waits for a hundred, 10 s


def test_a_camera_with_a_frame_inside_has_no_part_in_a_burst(line):
    for number in range(10):
        fill(line, 1, f"camera-{number}")
    with pytest.raises(ServiceFull):
        line.enter(ticket("camera-3"))


def test_a_crowd_that_does_not_end_is_no_burst(line, clock):
    spots = [fill(line, 1, f"camera-{number}")[0] for number in range(8)]
    for number in range(90):
        clock.now_s += RUN_S
        spots.pop(0).leave()
        spots += fill(line, 1, f"other-{number}")
    clock.now_s += 1.0
    with pytest.raises(ServiceFull):
        line.enter(ticket("ridge"))


def test_after_a_pause_there_may_be_another_burst(line, clock):
    for _ in range(3):
        spots = [fill(line, 1, f"camera-{number}")[0] for number in range(100)]
        for spot in spots:
            clock.now_s += RUN_S
            spot.leave()
        clock.now_s += 0.2


def test_a_pause_by_chance_is_no_end_of_a_crowd(line, clock):
    crowd = [fill(line, 1, f"camera-{number}")[0] for number in range(8)]
    clock.now_s += 11.0
    for spot in crowd:
        spot.leave()
    clock.now_s += RUN_S / 2
    fill(line, 1, "a"), fill(line, 1, "b")
    assert sum(accepted(line, f"camera-{number}", most=1) for number in range(20)) == 4


def test_a_deadline_that_cannot_be_met_is_refused_at_the_door(line):
    fill(line, 3)
    with pytest.raises(ServiceFull, match="found about 300 ms of frames ahead, expected at most 200 ms of them"):
        line.enter(ticket(left_s=0.3))
    assert line.enter(ticket(left_s=0.41))


@pytest.mark.parametrize("left_s", [0.02, 0.19])
def test_a_caller_who_gives_less_than_the_work_takes_is_told_so_and_not_that_the_service_is_full(line, clock, left_s):
    hurried = Ticket(None, arrived_s=clock.now_s, deadline_s=clock.now_s + left_s, hurried=True)
    assert line.too_short(hurried)
    fill(line, 3)
    with pytest.raises(DeadlineTooShort, match=r"found a deadline of \d+ ms, expected the 100 ms of work on a frame"):
        line.enter(hurried)


def test_a_deadline_that_leaves_room_for_the_work_is_the_services_to_keep(line, clock):
    hurried = Ticket(None, arrived_s=clock.now_s, deadline_s=clock.now_s + 0.21, hurried=True)
    assert not line.too_short(hurried)
    assert not line.too_short(ticket(left_s=0.001))  # the service's own
    assert not Line(Pace(), Patience()).too_short(hurried)  # nothing is known yet
    fill(line, 3)
    with pytest.raises(ServiceFull):
        line.enter(hurried)


def test_with_nobody_ahead_any_deadline_is_tried(line):
    assert line.enter(ticket(left_s=0.001))


def test_a_newest_frame_does_not_wait_for_the_one_that_it_replaces(line):
    fill(line, 6, "ridge")
    with pytest.raises(ServiceFull):
        line.enter(ticket("ridge"))
    assert line.enter(ticket("ridge", latest=True))


def test_a_body_that_is_slow_to_arrive_holds_no_spot(line, clock):
    slow = [line.enter(ticket()) for _ in range(6)]
    with pytest.raises(ServiceFull):
        line.enter(ticket())
    clock.now_s += 0.51
    assert accepted(line) == 6
    for spot in slow:
        spot.leave()
    assert line.wait_s == pytest.approx(0.6)


def test_a_body_that_comes_late_takes_a_spot_again(line, clock):
    slow = [line.enter(ticket()) for _ in range(6)]
    clock.now_s += 0.51
    fill(line, 6)
    for spot in slow:
        spot.arrive()
    assert line.wait_s == pytest.approx(1.2)
    for spot in slow:
        spot.leave()
    assert line.wait_s == pytest.approx(0.6)


def test_who_is_refused_is_told_to_come_back_when_those_refused_before_have_been_served(line, clock):
    fill(line, 6)

    def refused() -> int:
        with pytest.raises(ServiceFull) as refusal:
            line.enter(ticket())
        return refusal.value.retry_after_s

    found = [refused() for _ in range(25)]  # each of them would take 0.1 s
    assert (found[0], found[-1], found) == (1, 3, sorted(found))
    clock.now_s += 60.0
    assert refused() == 1
    assert max(refused() for _ in range(1000)) == 30


def test_a_line_of_which_everybody_left_is_empty(line):
    for spot in [*fill(line, 4, "ridge"), line.enter(ticket("lake"))]:
        spot.leave()
    assert line.wait_s == 0.0
    assert accepted(line) == 6


class Shop:
    """Two runners and the line before them, in time that is reckoned, not waited for."""

    def __init__(self, service_s: float = 0.12, runners: int = 2) -> None:
        self.clock = Clock()
        self.service_s = service_s
        pace = Pace(runners)
        pace.ran(service_s)
        self.line = Line(pace, Patience(0.0, 10.0), self.clock)
        self._free_s = [0.0] * runners
        self._inside: list[tuple[float, object]] = []

    def serve(self, arrivals: list[tuple[float, str | None]]) -> list[float]:
        """Latencies of those who were let in, out of (time, camera)."""
        return [latency for at_s, camera in arrivals if (latency := self._one(at_s, camera)) is not None]

    def _one(self, at_s: float, camera: str | None) -> float | None:
        while self._inside and self._inside[0][0] <= at_s:
            self.clock.now_s, spot = self._inside.pop(0)
            spot.leave()
        self.clock.now_s = at_s
        try:
            spot = self.line.enter(ticket(camera, now_s=at_s))
        except ServiceFull:
            return None
        spot.arrive()
        runner = self._free_s.index(min(self._free_s))
        done_s = self._free_s[runner] = max(at_s, self._free_s[runner]) + self.service_s
        self._inside.append((done_s, spot))
        return done_s - at_s


def schedule(rate_per_s: float, seconds: float) -> list[tuple[float, None]]:
    return [(number / rate_per_s, None) for number in range(int(rate_per_s * seconds))]


def test_at_four_times_the_capacity_those_let_in_wait_at_most_twice_as_long_and_no_runner_idles():
    capacity = 2 / 0.12
    calm = Shop().serve(schedule(0.8 * capacity, 60))
    assert len(calm) == int(0.8 * capacity * 60)
    rushed = Shop().serve(schedule(4 * capacity, 60))
    assert len(rushed) >= 0.99 * capacity * 60
    assert percentile(rushed, 0.99) <= 2 * percentile(calm, 0.99)


def test_cameras_in_lock_step_are_all_served_round_after_round():
    cameras = [(10.0 * round_ + 0.001 * number, f"camera-{number}") for round_ in range(6) for number in range(100)]
    latencies = Shop().serve(cameras)
    assert len(latencies) == 600
    assert max(latencies) < 6.1  # a hundred frames, sixteen a second
