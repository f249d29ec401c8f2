import pytest

from service.client.errors import (
    CallRefused,
    ClientError,
    DeadlinePassed,
    ServiceBusy,
    ServiceUnavailable,
    ServiceUnreachable,
    TooSlow,
)
from service.client.retries import Attempts, Retries


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def attempts(deadline_s: float | None = None, chance: float = 0.0, clock: Clock | None = None, **chosen) -> Attempts:
    return Attempts(Retries(**chosen), deadline_s, lambda: chance, clock or Clock())


def busy(after_s: float | None = None) -> ServiceBusy:
    return ServiceBusy(429, "service_full", "found it full", "", after_s)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_it_comes_again_no_sooner_than_it_was_told_and_not_all_at_once(chance):
    assert attempts(chance=chance).pause_s(busy(7)) == pytest.approx(7 * (1 + 0.1 * chance))


def test_untold_pauses_double_up_to_a_bound():
    made = attempts(chance=0.999999, attempts=9, first_pause_s=1, longest_pause_s=10)
    lost = ServiceUnreachable("no connection")
    assert [round(made.pause_s(lost), 3) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_told_pause_of_nothing_is_no_busy_loop():
    assert attempts(first_pause_s=1).pause_s(busy(0)) >= 0.5


def test_it_gives_up_with_the_last_failure_after_so_many_attempts():
    made, last = attempts(attempts=3), ServiceUnavailable(503, "draining", "found it stopping")
    made.pause_s(busy(1))
    made.pause_s(busy(1))
    with pytest.raises(ServiceUnavailable) as raised:
        made.pause_s(last)
    assert raised.value is last


@pytest.mark.parametrize(
    "failure", [CallRefused(422, "frame_broken", "x"), TooSlow(504, "deadline_exceeded", "x")], ids=["422", "504"]
)
def test_what_would_fail_again_is_not_tried_again(failure):
    with pytest.raises(ClientError) as raised:
        attempts().pause_s(failure)
    assert raised.value is failure


def test_a_broken_connection_is_not_tried_again_where_the_frame_would_count_twice():
    with pytest.raises(ServiceUnreachable):
        attempts().pause_s(ServiceUnreachable("broken"), again=False)


def test_a_pause_that_ends_after_the_deadline_is_not_begun():
    clock = Clock()
    made = attempts(deadline_s=10, clock=clock)
    assert made.pause_s(busy(4)) == 4
    clock.now_s += 7
    assert made.left_s == 3
    with pytest.raises(DeadlinePassed, match=r"429 service_full: found it full.*4\.0 s, of 3\.0 s left"):
        made.pause_s(busy(4))


def test_past_the_deadline_no_attempt_is_made():
    clock = Clock()
    made = attempts(deadline_s=10, clock=clock)
    clock.now_s += 10
    with pytest.raises(DeadlinePassed):
        _ = made.left_s
