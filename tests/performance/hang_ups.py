"""`make hang-ups`: callers who hang up at every point of a request, for a minute, and what they leave behind in the process.

Permits, requests in flight, connections, files, threads and memory are read before and after; what came in must have ended.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from models.manifest import newest_release
from tests.end_to_end.conftest import Server
from tests.pictures import file_of, plume

POINTS = ("header", "body", "sent", "waiting", "answer")
"""Where a caller hangs up: within the header, within the body, as soon as all is sent, while it waits, within the answer."""
QUERY = "outputs=mask,total,aleatoric,epistemic&resolution=frame"
SETTLE_S = 20.0
GROWTH_MAX_MIB = 24.0


@dataclass(frozen=True, slots=True)
class Level:
    """What a process holds."""

    received: float
    ended: float
    inside: float
    permits: float
    waiting: float
    files: int
    threads: int
    memory_mib: float

    @property
    def held(self) -> tuple[float, float, float]:
        """What must be nothing when nobody is inside."""
        return self.inside, self.permits, self.waiting


def main() -> int:
    """Run, print what came of it; 1 if something was left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--model-dir", type=Path, default=newest_release())
    chosen = parser.parse_args()
    server = Server(chosen.model_dir, SMOKE_WAIT_MAX_MS="2000")
    try:
        left, before, after = hang_up_for(server, chosen.seconds, chosen.callers)
        code = server.stop()
    finally:
        server.end()
    found = faults(before, after)
    report = {"hung_up": dict(left), "before": asdict(before), "after": asdict(after), "faults": found}
    print(json.dumps(report, indent=2))  # noqa: T201
    return int(bool(found) or code != 0)


def hang_up_for(server: Server, seconds: float, callers: int) -> tuple[Counter[str], Level, Level]:
    """Hang up again and again; returns how often where, and the levels before and after."""
    body = file_of(plume(640, 480), "JPEG")
    with server.client() as client:
        # What the first requests make the process load and allocate is no leak.
        asyncio.run(_hang_up_all(server.url, body, min(seconds, 2.0), callers))
        _post_until_answered(client, body)
        before = settled(server, client)
        left = asyncio.run(_hang_up_all(server.url, body, seconds, callers))
        _post_until_answered(client, body)
        return left, before, settled(server, client)


def faults(before: Level, after: Level) -> list[str]:
    """What was left behind, in words."""
    found = []
    if after.received != after.ended:
        found.append(f"{after.received:g} requests came in and {after.ended:g} ended")
    if any(after.held):
        found.append(f"in flight, permits, waiting: {after.held}")
    if after.files > before.files:
        found.append(f"open files: {before.files} before, {after.files} after")
    if after.threads > before.threads:
        found.append(f"threads: {before.threads} before, {after.threads} after")
    if after.memory_mib > before.memory_mib + GROWTH_MAX_MIB:
        found.append(f"memory: {before.memory_mib:.0f} MiB before, {after.memory_mib:.0f} MiB after")
    return found


def settled(server: Server, client: httpx2.Client) -> Level:
    """The level once nobody is inside and no connection but this one is open, or after a while."""
    until_s = time.monotonic() + SETTLE_S
    found = level(server, client)
    while time.monotonic() < until_s:
        time.sleep(0.25)
        earlier, found = found, level(server, client)
        if not any(found.held) and found.files == earlier.files and found.threads == earlier.threads:
            break
    return found


def level(server: Server, client: httpx2.Client) -> Level:
    """What the process holds now."""
    text = client.get("/metrics").text
    process = Path(f"/proc/{server.process.pid}")

    def total(pattern: str) -> float:
        return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))

    return Level(
        total("smoke_requests_received_total"),
        total(r"smoke_requests_total\{.*\}"),
        total("smoke_requests_in_flight"),
        total(r"smoke_permits_used\{.*\}"),
        total("smoke_queue_frames"),
        len(list((process / "fd").iterdir())),
        len(list((process / "task").iterdir())),
        int((process / "statm").read_text().split()[1]) * 4096 / 2**20,
    )


def _post_until_answered(client: httpx2.Client, body: bytes) -> None:
    """A caller who stays is served, once the others are gone."""
    for _ in range(100):
        if client.post(f"/segment?{QUERY}", content=body).status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError("no frame was answered in 100 attempts")


async def _hang_up_all(url: str, body: bytes, seconds: float, callers: int) -> Counter[str]:
    until_s = time.monotonic() + seconds
    left: Counter[str] = Counter()

    async def caller(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < until_s:
            point = chance.choice(POINTS)
            with suppress(OSError, TimeoutError):
                await _hang_up(url, body, point, chance)
            left[point] += 1

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return left


async def _hang_up(url: str, body: bytes, point: str, chance: random.Random) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**14)
    head = f"POST /segment?{QUERY} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    request = head + body
    cut = {"header": len(head) // 2, "body": len(head) + len(body) // 2}.get(point, len(request))
    try:
        writer.write(request[:cut])
        await writer.drain()
        if point == "answer":
            await asyncio.wait_for(reader.read(chance.randrange(1, 2000)), 10)
        elif point != "sent":
            await asyncio.sleep(chance.uniform(0.0, 0.2))
    finally:
        # With what is unread the connection is reset; closed in order otherwise.
        writer.transport.abort() if chance.random() < 0.5 else writer.close()


if __name__ == "__main__":
    sys.exit(main())
