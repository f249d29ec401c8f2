"""The C library's heap, kept from growing: few arenas, large blocks straight from the system, the rest given back on demand.

By default glibc gives each thread an arena of its own and learns to keep ever larger blocks; with frames of many sizes in
many threads the holes add up. Where the library is another (musl, macOS), nothing happens.
"""

import ctypes
import gc
from typing import Any, Final

_ARENA_MAX: Final = (-8, 2)
_MMAP_THRESHOLD: Final = (-3, 2**20)
_TRIM_THRESHOLD: Final = (-1, 2**23)
"""glibc's parameters (`mallopt(3)`) and what they are set to: fixed thresholds are not moved any more."""


def limit_heap() -> bool:
    """Set the parameters for this process, before it has threads; returns whether the C library took them."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    return all(mallopt(parameter, value) == 1 for parameter, value in (_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD))


def give_back() -> bool:
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
