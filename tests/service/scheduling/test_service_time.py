import threading

import pytest

from service.scheduling.service_time import Pace


def test_nothing_is_known_before_the_first_frame():
    pace = Pace(slots=2, workers=2)
    assert (pace.known, pace.frame_s, pace.work_s) == (False, 0.0, 0.0)


def test_the_model_is_the_slower_stage_where_its_runners_take_longer_than_the_workers():
    pace = Pace(slots=2, workers=4)
    pace.ran(0.2)
    assert pace.known
    assert pace.frame_s == pytest.approx(0.1)
    assert pace.work_s == pytest.approx(0.2)


def test_the_workers_are_the_slower_stage_where_a_frame_costs_them_more(monkeypatch):
    pace = Pace(slots=8, workers=2)
    pace.ran(0.08)
    work(pace, monkeypatch, 0.25)
    work(pace, monkeypatch, 0.15)
    pace.left()
    assert pace.frame_s == pytest.approx(0.2)
    assert pace.work_s == pytest.approx(0.48)


def test_a_task_that_fails_took_its_time_all_the_same(monkeypatch):
    pace = Pace()
    with pytest.raises(ZeroDivisionError):
        work(pace, monkeypatch, 0.5, lambda: 1 / 0)
    pace.left()
    assert pace.frame_s == pytest.approx(0.5)


def test_the_newest_frames_count_most():
    pace = Pace()
    for seconds in [1.0] * 100 + [0.1] * 64:
        pace.ran(seconds)
    assert 0.1 < pace.frame_s < 0.12


def test_the_first_frames_count_alike():
    pace = Pace()
    for seconds in (0.1, 0.2, 0.3):
        pace.ran(seconds)
    assert pace.frame_s == pytest.approx(0.2)


def test_tasks_of_many_threads_all_count():
    pace = Pace()
    threads = [threading.Thread(target=pace.timed, args=(lambda: None,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pace.left()
    assert pace.frame_s > 0


def work(pace: Pace, monkeypatch, seconds: float, task=lambda: None) -> None:
    """Have a worker be busy for exactly so long."""
    times = iter((10.0, 10.0 + seconds))
    with monkeypatch.context() as patch:
        patch.setattr("service.scheduling.service_time.time.perf_counter", lambda: next(times))
        pace.timed(task)
