import threading

import pytest

from service.errors import ServiceFull
from service.scheduling.in_flight import Quota, check_room


def test_there_is_room_up_to_the_limit_and_not_beyond():
    check_room("requests", 3, 1, 4)
    with pytest.raises(ServiceFull, match="found 4 requests in flight, expected at most 3 to take 1 more"):
        check_room("requests", 4, 1, 4)


def test_what_is_taken_is_in_use_until_it_is_given_back():
    quota = Quota("bytes", 100)
    quota.take(60)
    with pytest.raises(ServiceFull, match="found 60 bytes in flight, expected at most 50 to take 50 more"):
        quota.take(50)
    quota.take(40)
    quota.take(-60)
    assert quota.used == 40


def test_asking_takes_nothing():
    quota = Quota("pixels", 10)
    quota.check(10)
    assert quota.used == 0


def test_threads_that_take_and_give_back_leave_nothing_behind():
    quota = Quota("pixels", 8)

    def work() -> None:
        for _ in range(1000):
            quota.take(1)
            quota.take(-1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert quota.used == 0
