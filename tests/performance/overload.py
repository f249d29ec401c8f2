"""`make overload`: what the served process takes, and how long those wait whom it accepts when four times as many come.

The server is a process of its own on the released model, with its default settings; this one sends, on a fixed schedule (see
`open_loop`). Capacity is measured before each pair of 80 % and 400 %, so that whatever else the machine does falls on all three:
what sixteen clients get that ask again as soon as they are answered, of whom none should be refused.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from models.manifest import newest_release
from service.settings import Settings
from tests.end_to_end.conftest import Server
from tests.performance.lag import lag_between, lag_counts
from tests.performance.open_loop import Sample, open_loop, percentile
from tests.pictures import file_of, plume

LOW, HIGH = 0.8, 4.0
WARM_UP_S = 3.0
CALLERS = 16
WAIT_MAX_S = Settings.model_fields["wait_max_ms"].default / 1000.0
REFUSAL_S = 0.05
REFUSED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the callers of a closed loop got."""

    answered_per_s: float
    refused_share: float


@dataclass(frozen=True, slots=True)
class Row:
    """One stretch of load, as measured."""

    share: float
    rate_per_s: float
    statuses: Counter[int]
    accepted_s: list[float]
    refused_s: list[float]
    retry_after: list[int]
    lag_p99_s: float

    @property
    def p99_s(self) -> float:
        """Of what was accepted."""
        return percentile(self.accepted_s, 0.99)


def main() -> int:
    """Run, print a table; 1 if anything but 200 and 429 came, or the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each stretch")
    parser.add_argument("--rounds", type=int, default=2, help="pairs of stretches")
    parser.add_argument("--cameras", type=int, default=0, help="name so many cameras in turn; 0 names none")
    parser.add_argument("--model-dir", type=Path, default=newest_release())
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    chosen = parser.parse_args()
    server = Server(chosen.model_dir, SMOKE_WAIT_MAX_MS=f"{1000 * WAIT_MAX_S:g}")
    try:
        body = file_of(plume(*chosen.size), "JPEG")
        crowds, rows = asyncio.run(measure(server.url, body, chosen))
        code = server.stop()
    finally:
        server.end()
    return report(crowds, rows, code)


async def measure(url: str, body: bytes, chosen: argparse.Namespace) -> tuple[list[Crowd], list[Row]]:
    """Each round: capacity, then both stretches."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2)
    async with httpx2.AsyncClient(base_url=url, timeout=120, trust_env=False, limits=limits) as client:
        sender = Sender(client, body, chosen.cameras)
        await sender.closed_loop(WARM_UP_S)
        crowds, rows = [], []
        for _ in range(chosen.rounds):
            crowds.append(await sender.closed_loop(max(5.0, chosen.seconds / 4)))
            for share in (LOW, HIGH):
                rows.append(await sender.stretch(share, share * crowds[-1].answered_per_s, chosen.seconds))
                await asyncio.sleep(1.0)
        return crowds, rows


class Sender:
    """Posts one frame again and again; notes each Retry-After."""

    def __init__(self, client: httpx2.AsyncClient, body: bytes, cameras: int) -> None:
        self._client = client
        self._body = body
        self._cameras = cameras
        self._retry_after: list[int] = []

    async def post(self, number: int) -> int:
        """Post a frame; returns the status, 0 for a broken connection."""
        parameters = {"camera_id": f"camera-{number % self._cameras}"} if self._cameras else {}
        try:
            answer = await self._client.post("/segment", content=self._body, params=parameters)
        except httpx2.HTTPError:
            return 0
        if answer.status_code == 429:
            self._retry_after.append(int(answer.headers["Retry-After"]))
        return answer.status_code

    async def closed_loop(self, seconds: float) -> Crowd:
        """What so many callers get, each asking again as soon as it has its answer, whatever that is."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        statuses: Counter[int] = Counter()

        async def caller(number: int) -> None:
            while loop.time() < started_s + seconds:
                statuses[await self.post(number)] += 1

        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
        return Crowd(statuses[200] / (loop.time() - started_s), 1.0 - statuses[200] / statuses.total())

    async def stretch(self, share: float, rate_per_s: float, seconds: float) -> Row:
        """So many frames a second on schedule."""
        self._retry_after = []
        before = await lag_counts(self._client)
        samples = await open_loop(self.post, rate_per_s, round(rate_per_s * seconds))
        lag = lag_between(before, await lag_counts(self._client))
        return Row(
            share,
            rate_per_s,
            Counter(sample.status for sample in samples),
            latencies(samples, 200),
            latencies(samples, 429),
            self._retry_after,
            lag.percentile(0.99),
        )


def latencies(samples: list[Sample], status: int) -> list[float]:
    """Of the answers of one status."""
    return [sample.latency_s for sample in samples if sample.status == status]


def report(crowds: list[Crowd], rows: list[Row], code: int) -> int:
    """Print the tables and the verdict; returns the exit code."""
    for crowd in crowds:
        say(
            f"{CALLERS} callers in a closed loop: {crowd.answered_per_s:.1f} answers/s, {crowd.refused_share:.1%} refused"
        )
    say(
        "| load | sent/s | answered/s | 429 | other | p50 ms | p99 ms | slowest ms | 429's p99 ms | Retry-After | loop lag p99 ms |"
    )
    say("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        say(line_of(row))
    missed = list(missed_goals(crowds, rows))
    for goal in missed:
        say(f"missed: {goal}")
    return int(bool(missed) or code != 0)


def missed_goals(crowds: list[Crowd], rows: list[Row]) -> Iterator[str]:
    """What was not as it should be, in words."""
    for crowd in crowds:
        if crowd.refused_share > REFUSED_SHARE:
            yield f"{crowd.refused_share:.1%} of a closed loop's requests refused"
    for row in rows:
        if set(row.statuses) - {200, 429}:
            yield f"other statuses than 200 and 429: {dict(row.statuses)}"
    for low, high in zip(rows[::2], rows[1::2], strict=True):
        yield from missed_at_high(low, high)


def missed_at_high(low: Row, high: Row) -> Iterator[str]:
    """The same, of a pair of stretches."""
    goal_s, refusal_s = WAIT_MAX_S + 2 * low.p99_s, percentile(high.refused_s, 0.99)
    if not high.p99_s <= goal_s:
        yield f"p99 of {1000 * high.p99_s:.0f} ms at 4 x, expected at most {1000 * goal_s:.0f} ms"
    if not high.statuses[429]:
        yield "nothing was refused at 4 x: the machine changed its speed since capacity was measured; measure again"
    if refusal_s > REFUSAL_S:
        yield f"p99 of {1000 * refusal_s:.0f} ms of refusals at 4 x, expected at most {1000 * REFUSAL_S:.0f} ms"


def line_of(row: Row) -> str:
    """One line of the table."""
    count = sum(row.statuses.values())
    accepted_ms = [1000 * value for value in row.accepted_s]
    refused_ms = [1000 * value for value in row.refused_s]
    other = count - row.statuses[200] - row.statuses[429]
    retry = f"{min(row.retry_after)} to {max(row.retry_after)} s" if row.retry_after else "-"
    cells = [
        f"{row.share:.0%}",
        f"{row.rate_per_s:.1f}",
        f"{row.statuses[200] / count * row.rate_per_s:.1f}",
        f"{row.statuses[429] / count:.0%}",
        f"{other}",
        *(f"{percentile(accepted_ms, share):.0f}" for share in (0.5, 0.99, 1.0)),
        f"{percentile(refused_ms, 0.99):.0f}",
        retry,
        f"< {1000 * row.lag_p99_s:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def say(line: str) -> None:
    """To standard output."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
