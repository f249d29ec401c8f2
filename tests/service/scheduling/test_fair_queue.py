from hypothesis import given
from hypothesis import strategies as st

from service.scheduling.fair_queue import FairQueue


def filled(*jobs: tuple[str, int]) -> FairQueue[int]:
    queue: FairQueue[int] = FairQueue()
    for lane, job in jobs:
        queue.push(lane, job)
    return queue


def drained(queue: FairQueue[int]) -> list[int]:
    return [queue.pop() for _ in range(len(queue))]


def test_one_lane_is_first_in_first_out():
    assert drained(filled(("a", 1), ("a", 2), ("a", 3))) == [1, 2, 3]


def test_lanes_take_turns():
    assert drained(filled(("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6))) == [1, 4, 5, 2, 6, 3]


def test_a_lane_that_comes_late_waits_for_one_round_only():
    queue = filled(*[("flood", number) for number in range(50)])
    queue.pop()
    queue.push("ridge", 99)
    assert [queue.pop(), queue.pop()] == [1, 99]


def test_a_replacement_keeps_the_place():
    queue = filled(("a", 1), ("a", 2), ("b", 3))
    queue.replace("a", 1, 9)
    assert drained(queue) == [9, 3, 2]


def test_only_the_lane_asked_for_is_searched():
    queue = filled(("a", 1), ("b", 2))
    assert queue.find("a", lambda job: job == 2) is None
    assert queue.find("b", lambda job: job == 2) == 2
    assert queue.find("c", bool) is None


def test_what_is_removed_is_gone_and_counted():
    queue = filled(("a", 1), ("a", 2), ("b", 3))
    assert queue.remove(lambda job: job != 2) == [1, 3]
    assert (len(queue), drained(queue)) == (1, [2])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_nothing_is_lost_and_every_lane_keeps_its_order(jobs):
    numbered = [(lane, number) for number, (lane, _) in enumerate(jobs)]
    order = drained(filled(*numbered))
    assert sorted(order) == list(range(len(jobs)))
    for lane in "abc":
        own = {number for name, number in numbered if name == lane}
        assert [number for number in order if number in own] == sorted(own)
