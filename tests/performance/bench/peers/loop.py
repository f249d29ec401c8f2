"""The same work in a loop without HTTP: prints how long each frame took, and the CPU seconds of each step, as JSON.

python loop.py JPEG_FILE SECONDS
"""

import json
import sys
import time
from pathlib import Path

from work import Choice, Work

_WARM_UP = 2


def main() -> None:
    """Loop, and print."""
    body, seconds = Path(sys.argv[1]).read_bytes(), float(sys.argv[2])
    work = Work(Choice.read())
    steps = {"decode": 0.0, "inference": 0.0, "encode": 0.0}
    taken, until_s = [], time.perf_counter() + seconds
    while time.perf_counter() < until_s or len(taken) < _WARM_UP + 1:
        started_s, marks = time.perf_counter(), [time.process_time()]
        frame, size = work.decode(body)
        marks.append(time.process_time())
        maps = work.infer(frame)
        marks.append(time.process_time())
        json.dumps(work.encode(maps, size))
        marks.append(time.process_time())
        taken.append(time.perf_counter() - started_s)
        if len(taken) > _WARM_UP:
            for name, start, end in zip(steps, marks, marks[1:], strict=False):
                steps[name] += end - start
    kept = taken[_WARM_UP:]
    sys.stdout.write(
        json.dumps({"taken_s": kept, "cpu_s": {name: total / len(kept) for name, total in steps.items()}}) + "\n"
    )


if __name__ == "__main__":
    main()
