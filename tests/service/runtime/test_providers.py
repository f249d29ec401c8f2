from pathlib import Path

import pytest

from service.runtime.providers import RuntimeOptions, batches, fell_back, found, tries_gpu, tries_graphs, wanted

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
GPU_BUILD = (TENSORRT, CUDA, CPU)


def names(options: RuntimeOptions, available: tuple[str, ...]) -> list[str]:
    return [entry if isinstance(entry, str) else entry[0] for entry in wanted(options, available)]


def provider_options(options: RuntimeOptions, name: str) -> dict[str, str]:
    return dict(entry for entry in wanted(options, GPU_BUILD) if not isinstance(entry, str))[name]


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
    assert names(RuntimeOptions(provider), available) == expected


def test_cuda_searches_by_heuristic_and_claims_what_it_needs():
    assert provider_options(RuntimeOptions("cuda"), CUDA) == {
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
        "enable_cuda_graph": "1",
    }


def test_cuda_lays_out_maps_otherwise_only_where_that_is_asked_for():
    assert provider_options(RuntimeOptions("cuda", cuda_nhwc=True), CUDA)["prefer_nhwc"] == "1"


@pytest.mark.parametrize(
    ("provider", "available", "expected"),
    [
        ("auto", GPU_BUILD, True),
        ("cuda", GPU_BUILD, True),
        ("tensorrt", GPU_BUILD, True),
        ("cpu", GPU_BUILD, False),
        ("auto", (CPU,), False),
        ("tensorrt", (CPU,), False),
    ],
)
def test_a_gpu_is_tried_where_it_is_wanted_and_the_build_has_it(provider, available, expected):
    assert tries_gpu(RuntimeOptions(provider), available) is expected


def test_cuda_memory_can_be_bounded_and_claimed_otherwise():
    chosen = provider_options(RuntimeOptions("cuda", cuda_arena="doubling", cuda_memory_max_bytes=2**30), CUDA)
    assert (chosen["arena_extend_strategy"], chosen["gpu_mem_limit"]) == ("kNextPowerOfTwo", "1073741824")


def test_cuda_graphs_can_be_left_out_and_are_where_cuda_stands_in_for_tensorrt():
    assert "enable_cuda_graph" not in provider_options(RuntimeOptions("cuda", cuda_graphs=False), CUDA)
    assert "enable_cuda_graph" not in provider_options(RuntimeOptions("tensorrt"), CUDA)


@pytest.mark.parametrize(
    ("used", "options", "expected"),
    [
        ("cuda", RuntimeOptions("auto"), True),
        ("cuda", RuntimeOptions("auto", cuda_graphs=False), False),
        ("cuda", RuntimeOptions("tensorrt"), False),
        ("tensorrt", RuntimeOptions("tensorrt"), True),
        ("cpu", RuntimeOptions("auto"), False),
    ],
)
def test_frames_run_together_only_where_a_change_of_batch_size_costs_no_new_plan(used, options, expected):
    assert batches(used, options) == expected


@pytest.mark.parametrize(
    ("options", "available", "expected"),
    [
        (RuntimeOptions("auto"), GPU_BUILD, True),
        (RuntimeOptions("cuda", cuda_graphs=False), GPU_BUILD, False),
        (RuntimeOptions("auto"), (CPU,), False),
        (RuntimeOptions("cpu"), GPU_BUILD, False),
        (RuntimeOptions("tensorrt"), GPU_BUILD, False),
    ],
)
def test_a_session_tries_graphs_where_it_could_run_on_cuda(options, available, expected):
    assert tries_graphs(options, available) == expected


def test_tensorrt_keeps_its_engines_where_it_is_told():
    assert provider_options(RuntimeOptions("tensorrt"), TENSORRT) == {"trt_fp16_enable": "0"}
    kept = provider_options(RuntimeOptions("tensorrt", tensorrt_cache_dir=Path("/cache")), TENSORRT)
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
    assert fell_back(RuntimeOptions(provider), used, available) == expected
