"""How many cores this process may use."""

import os


def cores() -> int:
    """Cores in this process's affinity mask, which in a container may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
