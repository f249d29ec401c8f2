"""This process: its cores, the GPU memory it holds, the C library's heap, kept from growing; and others that it starts.

The heap has few arenas, takes large blocks straight from the system, and gives the rest back on demand. By default glibc gives each
thread an arena of its own and learns to keep ever larger blocks; with frames of many sizes in many threads the holes add up. Where
the library is another (musl, macOS), nothing happens.
"""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, Never

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
"""glibc's parameters (`mallopt(3)`): fixed thresholds are not moved any more."""


def limit_heap(block_bytes: int = 2**22, spare_bytes: int = 2**24) -> bool:
    """Set the parameters for this process, before it has threads; returns whether the C library took them.

    Args:
        block_bytes: Blocks from this size on are the system's, new pages each time, which cost half a millisecond a megabyte.
        spare_bytes: As much free memory at the heap's end is kept.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    limits = ((_ARENA_MAX, 2), (_MMAP_THRESHOLD, block_bytes), (_TRIM_THRESHOLD, spare_bytes))
    return all(mallopt(parameter, value) == 1 for parameter, value in limits)


def trim_heap() -> bool:
    """Collect what only its own circles hold, and return free memory to the system; False where that cannot be asked for."""
    gc.collect()
    trim = _function("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _function(name: str) -> Any:  # noqa: ANN401 - a foreign function
    """A function of the C library, or None where it has none of this name."""
    return getattr(ctypes.CDLL(None), name, None)


def cores() -> int:
    """Cores in this process's affinity mask, which in a container may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def python_calling(module: str, function: str, first: str = "pass") -> list[str]:
    """The command of a process that calls a function, after a first statement; what its arguments are may follow.

    It finds what this process finds, wherever it was started; the folder that it stands in is left out of that.
    """
    paths = [path for path in sys.path if path]
    code = f"{first}; import sys; sys.path[:] = {paths!r}; from {module} import {function}; {function}()"
    return [sys.executable, "-P", "-W", "ignore", "-c", code]


def end_with_starter() -> None:
    """End when the process does that started this one and holds its standard input, however that came about; nothing more is read."""
    threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> Never:
    sys.stdin.buffer.read()
    os._exit(0)


def gpu_memory() -> Callable[[], float] | None:
    """A reading of the process's GPU memory in bytes over all GPUs; None where there is no GPU, driver or library."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return None
    return (lambda: _held_bytes(pynvml, devices)) if devices else None


def _held_bytes(nvml: Any, devices: list[Any]) -> float:  # noqa: ANN401 - a library without types
    """Of this process; in a container whose process ids differ from the host's, that of every process on its GPUs."""
    try:
        processes = [process for device in devices for process in nvml.nvmlDeviceGetComputeRunningProcesses(device)]
        own = [process for process in processes if process.pid == os.getpid()] or processes
        return float(sum(process.usedGpuMemory or 0 for process in own))
    except nvml.NVMLError:
        return float("nan")
