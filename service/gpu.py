"""How much GPU memory this process holds, asked of NVIDIA's management library where there is one."""

import os
from collections.abc import Callable
from typing import Any


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
