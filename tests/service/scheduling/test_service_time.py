import threading

import pytest

from service.scheduling.service_time import ServiceTimeEstimator


def test_nothing_is_known_before_the_first_frame(monkeypatch):
    estimator = ServiceTimeEstimator(parallelism=2, workers=2)
    work(estimator, monkeypatch, 0.3)
    estimator.record_departure()
    assert estimator.interval_s == 0.0


def test_the_model_is_the_slower_stage_where_its_runners_take_longer_than_the_workers():
    estimator = ServiceTimeEstimator(parallelism=2, workers=4)
    estimator.record_run(0.2)
    assert estimator.interval_s == pytest.approx(0.1)
    assert estimator.service_time_s() == pytest.approx(0.2)


def test_the_workers_are_the_slower_stage_where_a_frame_costs_them_more(monkeypatch):
    estimator = ServiceTimeEstimator(parallelism=8, workers=2)
    estimator.record_run(0.08)
    work(estimator, monkeypatch, 0.25)
    work(estimator, monkeypatch, 0.15)
    estimator.record_departure()
    assert estimator.interval_s == pytest.approx(0.2)
    assert estimator.service_time_s() == pytest.approx(0.48)


def test_a_task_that_fails_took_its_time_all_the_same(monkeypatch):
    estimator = ServiceTimeEstimator()
    with pytest.raises(ZeroDivisionError):
        work(estimator, monkeypatch, 0.5, lambda: 1 / 0)
    estimator.record_departure()
    assert estimator.service_time_s() == pytest.approx(0.5)


def test_the_newest_frames_count_most():
    estimator = ServiceTimeEstimator()
    for seconds in [1.0] * 100 + [0.1] * 64:
        estimator.record_run(seconds)
    assert 0.1 < estimator.interval_s < 0.12


def test_how_fast_a_full_model_is_follows_from_runs_of_a_full_model_once_there_were_any():
    estimator = ServiceTimeEstimator(parallelism=2)
    estimator.record_run(0.18)  # alone on the processor
    assert estimator.interval_s == pytest.approx(0.09)
    estimator.record_run(0.3, full=True)
    for _ in range(100):
        estimator.record_run(0.18)
    assert estimator.interval_s == pytest.approx(0.15)


def test_the_first_frames_count_alike():
    estimator = ServiceTimeEstimator()
    for seconds in (0.1, 0.2, 0.3):
        estimator.record_run(seconds)
    assert estimator.interval_s == pytest.approx(0.2)


def test_what_is_measured_is_the_time_of_a_frame():
    estimator = ServiceTimeEstimator(parallelism=1, workers=1, batch_max=2)
    estimator.record_run(0.3)
    estimator.record_departure(5)
    assert estimator.service_time_s(5) == pytest.approx(0.9)
    assert estimator.service_time_s() == pytest.approx(0.3)


def test_tasks_of_many_threads_all_count():
    estimator = ServiceTimeEstimator()
    threads = [threading.Thread(target=estimator.timed, args=(lambda: None,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    estimator.record_departure()
    assert estimator.service_time_s() > 0


def work(estimator: ServiceTimeEstimator, monkeypatch, seconds: float, task=lambda: None) -> None:
    """Have a worker be busy for exactly so long."""
    times = iter((10.0, 10.0 + seconds))
    with monkeypatch.context() as patch:
        patch.setattr("service.scheduling.service_time.time.perf_counter", lambda: next(times))
        estimator.timed(task)
