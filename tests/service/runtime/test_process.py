import math
import os
import platform
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from service.runtime import process
from service.runtime.process import gpu_memory

GLIBC = platform.libc_ver()[0] == "glibc"
GROWTH = """
import sys, threading
import numpy as np
from service.runtime import process

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

assert process.limit_heap()
before = resident_mib()
blocks = [np.ones(2**22 + 2**16 * number, np.uint8) for number in range(32)]
held = resident_mib() - before
del blocks
print(held, resident_mib() - before)
"""


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_large_blocks_go_back_to_the_system_at_once():
    told = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    held_mib, kept_mib = map(float, told.stdout.split())
    assert held_mib > 128
    assert kept_mib < 8


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_free_memory_can_be_given_back():
    assert process.trim_heap()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(process.ctypes, "CDLL", lambda _: object())
    assert (process.limit_heap(), process.trim_heap()) == (False, False)


@pytest.fixture
def nvml(monkeypatch) -> ModuleType:
    """Two GPUs; on the first this process holds 3 GB beside a stranger, on the second 1 GB."""
    library = ModuleType("pynvml")

    class NVMLError(Exception):
        pass

    def process(pid: int, held: int | None) -> SimpleNamespace:
        return SimpleNamespace(pid=pid, usedGpuMemory=held)

    library.NVMLError = NVMLError
    library.nvmlInit = lambda: None
    library.nvmlDeviceGetCount = lambda: 2
    library.nvmlDeviceGetHandleByIndex = lambda number: number
    library.held = [[process(os.getpid(), 3_000), process(1, 5_000)], [process(os.getpid(), 1_000)]]
    library.nvmlDeviceGetComputeRunningProcesses = lambda device: library.held[device]
    library.process = process
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def fail(*_: object) -> None:
    raise sys.modules["pynvml"].NVMLError


@pytest.mark.usefixtures("nvml")
def test_what_this_process_holds_is_summed_over_the_gpus():
    assert gpu_memory()() == 4_000.0


def test_a_process_that_does_not_find_itself_counts_what_its_gpus_hold(nvml):
    nvml.held = [[nvml.process(1, 5_000), nvml.process(2, None)], []]
    assert gpu_memory()() == 5_000.0


def test_without_a_library_a_driver_or_a_gpu_there_is_no_reading(nvml, monkeypatch):
    nvml.nvmlDeviceGetCount = lambda: 0
    assert gpu_memory() is None
    nvml.nvmlInit = fail
    assert gpu_memory() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_memory() is None


def test_a_driver_that_fails_later_is_no_number_and_no_failure(nvml):
    read = gpu_memory()
    nvml.nvmlDeviceGetComputeRunningProcesses = fail
    assert math.isnan(read())
