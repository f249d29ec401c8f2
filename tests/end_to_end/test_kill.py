"""A server that is killed under load starts again, on the same port, as if nothing had been."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.pictures import file_of, plain

BODY = file_of(plain(204, 0, 0))


@pytest.fixture
def load():
    """Callers that post until the test ends, whatever happens to them; `load(url)` gives the statuses seen so far."""
    stop, pool = threading.Event(), ThreadPoolExecutor(8)

    def ask(url: str, statuses: list[int]) -> None:
        while not stop.is_set():
            try:
                statuses.append(httpx2.post(f"{url}/segment?outputs=", content=BODY, trust_env=False).status_code)
            except httpx2.HTTPError:
                statuses.append(0)
                time.sleep(0.05)

    def start(url: str) -> list[int]:
        statuses: list[int] = []
        for _ in range(8):
            pool.submit(ask, url, statuses)
        return statuses

    yield start
    stop.set()
    pool.shutdown()


def test_a_server_that_is_killed_under_load_starts_again(start, load, release):
    first = start()
    url = first.url
    statuses = load(url)
    while statuses.count(200) < 20:
        time.sleep(0.02)
    first.process.kill()
    assert first.wait() == -9
    second = start(release, port=urlsplit(url).port)
    assert second.url == url
    before = statuses.count(200)
    while statuses.count(200) < before + 20:
        time.sleep(0.02)
    assert set(statuses) <= {0, 200}
    assert second.stop() == 0
