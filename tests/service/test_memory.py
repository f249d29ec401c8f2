import platform
import subprocess
import sys

import pytest

from service.runtime import process

GLIBC = platform.libc_ver()[0] == "glibc"
GROWTH = """
import sys, threading
import numpy as np
from service.runtime import process

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

assert process.limit_heap()
before = resident_mib()
blocks = [np.ones(2**20 + 2**16 * number, np.uint8) for number in range(32)]
held = resident_mib() - before
del blocks
print(held, resident_mib() - before)
"""


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_large_blocks_go_back_to_the_system_at_once():
    told = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    held_mib, kept_mib = map(float, told.stdout.split())
    assert held_mib > 32
    assert kept_mib < 8


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_free_memory_can_be_given_back():
    assert process.give_back()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(process.ctypes, "CDLL", lambda _: object())
    assert (process.limit_heap(), process.give_back()) == (False, False)
