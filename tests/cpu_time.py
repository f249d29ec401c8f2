"""How long something takes, told so that a busy machine does not show."""

import time
from collections.abc import Callable


def least_cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds of this process for some work, the least of three tries: a collection of garbage falls on one."""
    spent_s = []
    for _ in range(3):
        began_s = time.process_time()
        work()
        spent_s.append(time.process_time() - began_s)
    return min(spent_s)
