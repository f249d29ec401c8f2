"""Load by `wrk`, a compiled generator: clients that ask again as soon as they are answered, and what came of it."""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np

from service.runtime.process import cores
from tests.performance.bench.systems import Running
from tests.pictures import array_of

_SCRIPT = Path(__file__).with_name("peers") / "post.lua"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LOOK_S = 0.25
_REST_LOOK_S, _REST_LOOKS, _REST_MAX_S = 0.05, 5, 120.0
"""At rest is who does nothing however often it is looked at."""
_APART_LEVELS = 2.0
"""Mean difference of two systems' maps, of 255 levels, up to which it is the same work: decoders and resizing round as they will."""


@dataclass(frozen=True, slots=True)
class Load:
    """One stretch of load.

    Attributes:
        per_s: Answers with status 2xx a second.
        p50_ms, p99_ms: Of the time to an answer, whatever its status.
        refused: Answers with another status.
        broken: Connections that failed, and answers that did not come.
        generator_share: CPU time of the generator, over that of all cores.
        memory_mib: Most resident memory of the system's processes, together.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int
    generator_share: float
    memory_mib: float


def load(system: Running, frame: Path, clients: int, seconds: float, wrk: str = "wrk") -> Load:
    """Post a file again and again, and wait until the system is at rest.

    Raises:
        RuntimeError: The generator fails, with its words; or the system does not come to rest.
    """
    command = [wrk, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "600s"]
    command += ["-s", str(_SCRIPT), system.url, "--", str(frame)]
    with _memory(system.pid) as seen:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout
        with process.stdout as stream:
            words = stream.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {words}")
    _await_rest(system.pid)
    found = json.loads(words.splitlines()[-1])
    return Load(
        (found["answers"] - found["refused"]) / found["seconds"],
        1e3 * found["p50_s"],
        1e3 * found["p99_s"],
        found["refused"],
        found["broken"],
        (usage.ru_utime + usage.ru_stime) / found["seconds"] / cores(),
        max(seen),
    )


def _await_rest(pid: int) -> None:
    """Frames whose callers have hung up are answered nonetheless by most: whoever is asked next would have half a machine."""
    looks, until_s = 0, time.monotonic() + _REST_MAX_S
    while looks < _REST_LOOKS:
        if time.monotonic() > until_s:
            raise RuntimeError(f"found a system that works {_REST_MAX_S:g} s after it was asked, expected it at rest")
        time.sleep(_REST_LOOK_S)
        looks = 0 if any(map(_works, family(pid))) else looks + 1


def _works(pid: int) -> bool:
    """Whether a thread of a process runs, or would if there were a core or a disk for it."""
    try:
        states = [file.read_text().rpartition(") ")[2][0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False
    return not {"R", "D"}.isdisjoint(states)


def maps_of(system: Running, frame: Path) -> dict[str, np.ndarray]:
    """What a system answers: each map (height, width) uint8. Raises RuntimeError where it is no answer."""
    answer = httpx2.post(system.url, files={"frame": ("frame.jpg", frame.read_bytes(), "image/jpeg")}, timeout=60)
    if answer.status_code != 200:
        raise RuntimeError(f"{system.url}: found {answer.status_code} {answer.text[:300]}, expected an answer")
    reply = answer.json()
    files = {name: found["data"] for name, found in reply["maps"].items()} if "maps" in reply else reply
    return {name: array_of(base64.b64decode(data)) for name, data in files.items()}


def check_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], name: str) -> None:
    """Raises RuntimeError where a system does other work: other maps, of another size, or with other values."""
    found, expected = ({name: maps[name].shape for name in sorted(maps)} for maps in (theirs, ours))
    if found != expected:
        raise RuntimeError(f"{name}: found maps {found}, expected {expected}")
    for output, values in ours.items():
        apart = float(np.abs(values.astype(np.float32) - theirs[output]).mean())
        if apart > _APART_LEVELS:
            raise RuntimeError(
                f"{name}: found {output} {apart:.1f} levels from ours, expected at most {_APART_LEVELS:g}"
            )


def family(pid: int) -> list[int]:
    """A process and all that descend from it and live."""
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(descendant for child in children for descendant in family(child))]


def memory_mib(pid: int) -> float:
    """Resident memory of a process and its descendants; what they share counts for each."""
    pages = 0
    for member in family(pid):
        try:
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * _PAGE_BYTES / 2**20


@contextmanager
def _memory(pid: int) -> Iterator[list[float]]:
    """Look again and again, until it is left."""
    seen, stop = [memory_mib(pid)], threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_S):
            seen.append(memory_mib(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
