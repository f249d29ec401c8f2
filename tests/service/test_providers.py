import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.manifest import OUTPUTS, Manifest
from service.runtime.io_binding import FixedBuffers
from service.runtime.providers import Placement, batches, fell_back, found, tries_graphs, wanted
from tests.conftest import closed_form
from tests.pictures import noisy

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
GPU_BUILD = (TENSORRT, CUDA, CPU)


def names(placement: Placement, available: tuple[str, ...]) -> list[str]:
    return [entry if isinstance(entry, str) else entry[0] for entry in wanted(placement, available)]


def options(placement: Placement, name: str) -> dict[str, str]:
    return dict(entry for entry in wanted(placement, GPU_BUILD) if not isinstance(entry, str))[name]


@pytest.mark.parametrize(
    ("provider", "available", "expected"),
    [
        ("cpu", GPU_BUILD, [CPU]),
        ("cuda", GPU_BUILD, [CUDA, CPU]),
        ("auto", GPU_BUILD, [CUDA, CPU]),
        ("tensorrt", GPU_BUILD, [TENSORRT, CUDA, CPU]),
        ("tensorrt", (CUDA, CPU), [CUDA, CPU]),
        ("auto", (CPU,), [CPU]),
        ("cuda", (CPU,), [CPU]),
    ],
)
def test_providers_are_asked_for_in_order_and_only_where_the_build_has_them(provider, available, expected):
    assert names(Placement(provider), available) == expected


def test_cuda_searches_by_heuristic_and_claims_what_it_needs():
    assert options(Placement("cuda"), CUDA) == {
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
        "enable_cuda_graph": "1",
    }


def test_cuda_memory_can_be_bounded_and_claimed_otherwise():
    chosen = options(Placement("cuda", cuda_arena="doubling", cuda_memory_max_bytes=2**30), CUDA)
    assert (chosen["arena_extend_strategy"], chosen["gpu_mem_limit"]) == ("kNextPowerOfTwo", "1073741824")


def test_cuda_graphs_can_be_left_out_and_are_where_cuda_stands_in_for_tensorrt():
    assert "enable_cuda_graph" not in options(Placement("cuda", cuda_graphs=False), CUDA)
    assert "enable_cuda_graph" not in options(Placement("tensorrt"), CUDA)


@pytest.mark.parametrize(
    ("used", "placement", "expected"),
    [
        ("cuda", Placement("auto"), True),
        ("cuda", Placement("auto", cuda_graphs=False), False),
        ("cuda", Placement("tensorrt"), False),
        ("tensorrt", Placement("tensorrt"), True),
        ("cpu", Placement("auto"), False),
    ],
)
def test_frames_run_together_only_where_a_change_of_batch_size_costs_no_new_plan(used, placement, expected):
    assert batches(used, placement) == expected


@pytest.mark.parametrize(
    ("placement", "available", "expected"),
    [
        (Placement("auto"), GPU_BUILD, True),
        (Placement("cuda", cuda_graphs=False), GPU_BUILD, False),
        (Placement("auto"), (CPU,), False),
        (Placement("cpu"), GPU_BUILD, False),
        (Placement("tensorrt"), GPU_BUILD, False),
    ],
)
def test_a_session_tries_graphs_where_it_could_run_on_cuda(placement, available, expected):
    assert tries_graphs(placement, available) == expected


def test_tensorrt_keeps_its_engines_where_it_is_told():
    assert options(Placement("tensorrt"), TENSORRT) == {"trt_fp16_enable": "0"}
    kept = options(Placement("tensorrt", tensorrt_cache_dir=Path("/cache")), TENSORRT)
    assert kept["trt_engine_cache_enable"] == kept["trt_timing_cache_enable"] == "1"
    assert kept["trt_engine_cache_path"] == kept["trt_timing_cache_path"] == "/cache"


@pytest.mark.parametrize(
    ("used", "expected"), [([CPU], "cpu"), ([CUDA, CPU], "cuda"), ([TENSORRT, CUDA, CPU], "tensorrt"), ([], "cpu")]
)
def test_the_best_provider_of_a_session_is_the_one_it_uses(used, expected):
    assert found(used) == expected


@pytest.mark.parametrize(
    ("provider", "used", "available", "expected"),
    [
        ("auto", "cpu", (CPU,), False),
        ("auto", "cpu", GPU_BUILD, True),
        ("auto", "cuda", GPU_BUILD, False),
        ("cuda", "cpu", (CPU,), True),
        ("tensorrt", "cuda", GPU_BUILD, True),
        ("cpu", "cpu", GPU_BUILD, False),
    ],
)
def test_running_slower_than_wanted_is_told_from_running_as_wanted(provider, used, available, expected):
    assert fell_back(Placement(provider), used, available) == expected


def test_fixed_buffers_give_what_the_session_gives_and_no_batch_overwrites_another(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=[CPU])
    buffers = FixedBuffers(session, Manifest.read(release), (1, 2), "cpu")
    batches = [np.stack([noisy(seed), noisy(seed + 1)]) for seed in (0, 2)]
    answers = [buffers.run(OUTPUTS, {"frame": batch}) for batch in batches]
    answers.append(buffers.run(OUTPUTS, {"frame": batches[0][:1]}))
    for frames, maps in zip([*batches, batches[0][:1]], answers, strict=True):
        for name, values in zip(OUTPUTS, maps, strict=True):
            np.testing.assert_allclose(values, closed_form(frames)[name], atol=1e-6)


class Recording:
    """A session that notes, for each run, the thread and the graph."""

    def __init__(self, session) -> None:
        self._session = session
        self.runs: list[tuple[str, str]] = []

    def io_binding(self):
        return self._session.io_binding()

    def run_with_iobinding(self, binding, run_options):
        self.runs.append((threading.current_thread().name, run_options.get_run_config_entry("gpu_graph_id")))
        self._session.run_with_iobinding(binding, run_options)


def test_each_batch_size_has_a_graph_of_its_own_and_one_thread_runs_them_all(release):
    session = Recording(ort.InferenceSession(str(release / "model.onnx"), providers=[CPU]))
    buffers = FixedBuffers(session, Manifest.read(release), (1, 2, 4), "cpu")
    with ThreadPoolExecutor(3) as callers:
        batches = [np.stack([noisy(seed)] * size) for seed, size in enumerate((1, 2, 4, 2))]
        list(callers.map(lambda batch: buffers.run(OUTPUTS, {"frame": batch}), batches))
    assert sorted(graph for _, graph in session.runs) == ["1", "2", "2", "4"]
    assert len({thread for thread, _ in session.runs}) == 1
    assert session.runs[0][0].startswith("session")


def test_the_buffers_of_a_batch_size_stay_where_they_are(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=[CPU])
    buffers = FixedBuffers(session, Manifest.read(release), (2,), "cpu")
    _, fed, filled = buffers._sets[2]
    places = [fed.data_ptr(), *(value.data_ptr() for value in filled.values())]
    for seed in range(3):
        buffers.run(OUTPUTS, {"frame": np.stack([noisy(seed)] * 2)})
    assert [fed.data_ptr(), *(value.data_ptr() for value in filled.values())] == places


def test_a_failure_on_the_device_reaches_its_caller(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=[CPU])
    buffers = FixedBuffers(session, Manifest.read(release), (2,), "cpu")
    with pytest.raises(KeyError):
        buffers.run(OUTPUTS, {"frame": noisy(0)[np.newaxis]})
