"""The table of providers, from times that are known, and a measurement on the one provider that is everywhere."""

from pathlib import Path

import pytest

from service.errors import ProviderUnusable
from service.runtime.providers import RuntimeOptions
from tests.performance.gpu_speed import Row, measure, possible, table


def test_the_rate_is_that_of_the_best_batch_size():
    row = Row("CUDA", 2.0, {1: 5.0, 2: 8.0, 4: 10.0, 8: 40.0}, 3 * 2**20)
    assert table([row]).splitlines() == [
        "| | ready after | batch of 1 | batch of 2 | batch of 4 | batch of 8 | frames/s | GPU memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| CUDA | 2.0 s | 5.0 ms | 8.0 ms | 10.0 ms | 40.0 ms | 400 | 3 MiB |",
    ]


def test_a_batch_where_frames_run_one_at_a_time_is_so_many_calls(release: Path):
    row = measure("CPU", RuntimeOptions(provider="cpu"), release, rounds=3)
    assert list(row.batch_ms) == [1, 2, 4, 8]
    assert row.batch_ms[8] > row.batch_ms[1] > 0.0


def test_a_gpu_that_is_not_there_is_not_measured_under_its_name(release: Path):
    with pytest.raises(ProviderUnusable):
        measure("CUDA", RuntimeOptions(provider="cuda", require="cuda"), release, rounds=1)


def test_what_a_release_has_no_model_for_is_left_out(release: Path):
    assert possible(release, ["CPU", "CPU, fp16", "CUDA, fp16"]) == ["CPU"]
