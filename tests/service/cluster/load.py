"""Callers of a service on a Ray cluster: who sends frame after frame, and who has one in a replica's hands for as long as is wanted."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Self
from urllib.parse import urlsplit

import httpx2

from tests.end_to_end.monitoring import wait_for
from tests.pictures import file_of, plume
from tests.service.cluster.two_nodes import TwoNodes

BODY = file_of(plume())


def post(client, camera_id: str, minute: int) -> httpx2.Response:
    return client.post(
        f"/segment?outputs=mask&camera_id={camera_id}&captured_at=2026-05-01T12:{minute:02}:00Z", content=BODY
    )


def metric(address: str, name: str) -> float:
    """As a replica exposes it at its own port."""
    lines = httpx2.get(f"http://{address}/metrics", trust_env=False).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


class Upload:
    """A frame that is half sent: whatever takes it has it in its hands until it is finished."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._connection.putrequest("POST", "/segment?outputs=")
        self._connection.putheader("Content-Length", str(len(BODY)))
        self._connection.endheaders(BODY[:10])

    def finish(self) -> None:
        self._connection.send(BODY[10:])

    def answer(self) -> tuple[int, dict, str | None]:
        """Status, body, Retry-After."""
        reply = self._connection.getresponse()
        told = reply.status, json.loads(reply.read()), reply.headers["Retry-After"]
        self._connection.close()
        return told


def in_hands(replicas: dict[str, str]) -> dict[str, float]:
    """Frames that each replica is at."""
    return {replica: metric(address, "smoke_requests_in_flight") for replica, address in replicas.items()}


def held(nodes: TwoNodes, replicas: dict[str, str], count: int) -> list[Upload]:
    """So many frames that replicas have in their hands."""
    uploads = []
    for _ in range(count):
        uploads.append(Upload(nodes.url))
        wait_for(lambda: sum(in_hands(replicas).values()) == len(uploads))
    return uploads


def refusal(client: httpx2.Client) -> httpx2.Response | None:
    """A frame that is not let in; None where it is, or waits: until the limits are known everywhere."""
    with contextlib.suppress(httpx2.TimeoutException):
        reply = client.post("/segment?outputs=", content=BODY, headers={"X-Request-ID": "one-too-many"}, timeout=1)
        return reply if reply.status_code != 200 else None
    return None


class Load:
    """Callers who send frame after frame, each as soon as it has its answer, until the load is left."""

    def __init__(self, nodes: TwoNodes, callers: int = 3) -> None:
        self.answers: list[httpx2.Response] = []
        self._nodes = nodes
        self._stop = threading.Event()
        self._callers = ThreadPoolExecutor(callers)
        self._asking = [self._callers.submit(self._ask, number) for number in range(callers)]

    def _ask(self, number: int) -> None:
        with self._nodes.client() as client:
            while not self._stop.is_set():
                self.answers.append(post(client, f"load-{number}", 0))

    def more(self, answers: int = 20) -> None:
        """Wait until there are so many answers more."""
        wanted = len(self.answers) + answers
        wait_for(lambda: len(self.answers) >= wanted)

    def __enter__(self) -> Self:
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for asking in self._asking:
            asking.result()
        self._callers.shutdown()


def check_lost(answers: list[httpx2.Response], most: int) -> None:
    """Whatever was in no lost hands was answered; what was says so, and when to come again."""
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(lost) <= most
    for answer in lost:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["type"] == "urn:smoke-bvm:problem:replica_lost"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
