from service.notifications.outbox import RetryPolicy
from service.runtime.backoff import Backoff


def test_the_pauses_double_up_to_the_longest():
    pauses = [Backoff(0.5, 30.0).after(failures) for failures in (0, 1, 2, 3, 7, 8, 1000)]
    assert pauses == [0.0, 0.5, 1.0, 2.0, 30.0, 30.0, 30.0]


def test_a_notification_is_tried_again_up_to_a_minute_later_and_part_of_that_is_left_to_chance():
    backoff = RetryPolicy().backoff
    for failures, longest_s in ((1, 0.5), (2, 1.0), (5, 8.0), (8, 60.0), (5000, 60.0)):
        pauses_s = {backoff.scattered(failures) for _ in range(200)}
        assert longest_s / 2 <= min(pauses_s) < max(pauses_s) <= longest_s
