"""Execution providers: which ones to ask onnxruntime for, in which order, with which options. Nothing here knows onnxruntime.

CUDA's options were measured on an H200 (tests/performance/README.md); TensorRT's are what its documentation recommends for
fixed shapes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Provider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["fp32", "fp16", "int8"]
Arena = Literal["exact", "doubling"]


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Where and how wide a model is to run.

    Attributes:
        provider: Wanted: cpu, cuda, tensorrt, or auto for CUDA if it works.
        require: Refuse any other than this one.
        threads: Of one inference on the CPU; 0 for every core.
        runners: Concurrent inferences on the CPU; 0 decides.
        batch_max: Most frames in a batch on a GPU, rounded down to 1, 2, 4 or 8.
        cuda_arena: How GPU memory is claimed: exactly what is needed, or doubling.
        cuda_memory_max_bytes: Most GPU memory; 0 for no bound.
        cuda_graphs: Record the work of each batch size once, and replay it; without, CUDA runs one frame at a time.
        tensorrt_cache_dir: Where TensorRT keeps its engines.
        precision: Which of the release's models: fp32, fp16, int8, or auto: see `service.runtime.session`.
        cuda_nhwc: Have CUDA keep the channels of maps last; no setting, but there to be measured.
    """

    provider: Literal["auto"] | Provider = "auto"
    require: Provider | None = None
    threads: int = 0
    runners: int = 0
    batch_max: int = 8
    cuda_arena: Arena = "exact"
    cuda_memory_max_bytes: int = 0
    cuda_graphs: bool = True
    tensorrt_cache_dir: Path | None = None
    precision: Literal["auto"] | Precision = "auto"
    cuda_nhwc: bool = False


NAMES: Final = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
Wanted = str | tuple[str, dict[str, str]]
# `auto` leaves TensorRT out: it builds its engines for minutes, which nobody should meet unasked.
_ORDER: Final = {
    "cpu": ("cpu",),
    "cuda": ("cuda", "cpu"),
    "tensorrt": ("tensorrt", "cuda", "cpu"),
    "auto": ("cuda", "cpu"),
}
_ARENA: Final = {"exact": "kSameAsRequested", "doubling": "kNextPowerOfTwo"}


def wanted(options: RuntimeOptions, available: Collection[str]) -> list[Wanted]:
    """Providers in order of preference, as onnxruntime takes them; only those that this build has."""
    kinds = [kind for kind in _ORDER[options.provider] if kind == "cpu" or NAMES[kind] in available]
    return [(NAMES[kind], given) if (given := _provider_options(kind, options)) else NAMES[kind] for kind in kinds]


def found(session_providers: Sequence[str]) -> str:
    """The best of the providers that a session came to use."""
    return next((kind for kind, name in NAMES.items() if name in session_providers), "cpu")


def fell_back(options: RuntimeOptions, used: str, available: Collection[str]) -> bool:
    """Whether something slower runs than was wanted; `auto` wants a GPU where the build is for one."""
    if options.provider == "auto":
        return used == "cpu" and NAMES["cuda"] in available
    return used != options.provider


def tries_cuda(options: RuntimeOptions, available: Collection[str]) -> bool:
    """Whether a session would run on CUDA, if the GPU can be used."""
    return options.provider in ("auto", "cuda") and NAMES["cuda"] in available


def tries_graphs(options: RuntimeOptions, available: Collection[str]) -> bool:
    """Whether a session would record CUDA graphs, if the GPU can be used."""
    return tries_cuda(options, available) and options.cuda_graphs


def tries_gpu(options: RuntimeOptions, available: Collection[str]) -> bool:
    """Whether a session would run on a GPU, if it can be used."""
    return any(kind != "cpu" and NAMES[kind] in available for kind in _ORDER[options.provider])


def batches(used: str, options: RuntimeOptions) -> bool:
    """Whether frames are worth running together, in batches whose size changes from one to the next.

    On a CPU they gain nothing. On CUDA without graphs onnxruntime plans every convolution anew when the size changes (its issue
    23006), and planning one size took 0.8 s on an H200; a recorded graph is replayed without planning.
    """
    return used == "tensorrt" or (used == "cuda" and options.provider != "tensorrt" and options.cuda_graphs)


def _provider_options(kind: str, options: RuntimeOptions) -> dict[str, str]:
    if kind == "cuda":
        return _cuda(options)
    return _tensorrt(options) if kind == "tensorrt" else {}


def _cuda(options: RuntimeOptions) -> dict[str, str]:
    """HEURISTIC picks convolutions without timing each: the exhaustive default makes the first frames of a shape slow.

    Without TF32 the golden frame is answered as on a CPU, to its rounding; with it maps were up to 0.007 off on an H200.
    """
    provider_options = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    provider_options["arena_extend_strategy"] = _ARENA[options.cuda_arena]
    if options.cuda_memory_max_bytes:
        provider_options["gpu_mem_limit"] = str(options.cuda_memory_max_bytes)
    # One provider records, and the whole graph must be its own.
    if options.cuda_graphs and options.provider != "tensorrt":
        provider_options["enable_cuda_graph"] = "1"
    if options.cuda_nhwc:
        provider_options["prefer_nhwc"] = "1"
    return provider_options


def _tensorrt(options: RuntimeOptions) -> dict[str, str]:
    """Engines are kept between starts if there is a folder for them; in 32 bit, as the golden frame expects."""
    provider_options = {"trt_fp16_enable": "0"}
    if options.tensorrt_cache_dir is not None:
        folder = str(options.tensorrt_cache_dir)
        provider_options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        provider_options |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    if options.cuda_memory_max_bytes:
        provider_options["trt_max_workspace_size"] = str(options.cuda_memory_max_bytes)
    return provider_options
