"""The processes of sources, as the system sees them (Linux)."""

import os
from pathlib import Path


def processes_of(parent: int | None = None) -> dict[int, str]:
    """The command line of each living source process, by id; below one process, this one unless told otherwise."""
    found = {}
    for children in Path(f"/proc/{parent or os.getpid()}/task").glob("*/children"):
        for child in children.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "serve_source" in command:
                found[int(child)] = command
    return found


def children_of(parent: int | None = None) -> list[int]:
    """Ids of all children, those that ended and that nobody asked for too."""
    files = Path(f"/proc/{parent or os.getpid()}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def lives(process: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
