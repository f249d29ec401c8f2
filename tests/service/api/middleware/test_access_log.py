"""Of thousands of refusals, one line a second."""

from service.api.middleware.access_log import LogThrottle


def test_of_many_alike_one_goes_through_in_a_while_and_counts_the_others():
    now_s = [0.0]
    sparse = LogThrottle(1.0, lambda: now_s[0])
    assert [sparse.take() for _ in range(4)] == [0, None, None, None]
    now_s[0] = 1.0
    assert [sparse.take() for _ in range(2)] == [3, None]
    now_s[0] = 2.0
    assert sparse.take() == 1
