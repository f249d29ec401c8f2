"""What the event loop itself is busy with, in processor time: a busy machine does not show in it, work left on the loop does.

The yardstick is what decoding the frame costs on the same machine, the least of the work that belongs to other threads.
"""

import time

import pytest

from service.pipeline.decoding.decode import Limits, decode
from tests.pictures import file_of, noisy

LARGE_PX = 1600 * 1200
LARGE = file_of(noisy(1, 1600, 1200))
ALL = "/segment?outputs=mask,probability,total,aleatoric,epistemic,overlay&resolution=frame"
TRIES = 3


def busy_s(client, ask) -> float:
    """Processor time that the loop's thread spends on a request, at its least."""
    spent = []
    for _ in range(TRIES):
        before_s = client.portal.call(time.thread_time)
        assert ask().status_code == 200
        spent.append(client.portal.call(time.thread_time) - before_s)
    return min(spent)


@pytest.fixture(scope="module")
def decoding_s() -> float:
    """Processor time of decoding the large frame, at its least."""
    spent = []
    for _ in range(TRIES):
        before_s = time.thread_time()
        decode(LARGE, Limits(pixels_max=LARGE_PX))
        spent.append(time.thread_time() - before_s)
    return min(spent)


@pytest.mark.parametrize("kind", ["body", "form"])
def test_a_large_frame_with_a_large_answer_leaves_the_loop_free(client, decoding_s, kind):
    def ask():
        if kind == "form":
            return client.post(ALL, files={"frame": ("frame.png", LARGE, "image/png")})
        return client.post(ALL, content=LARGE)

    answer = ask()
    assert len(answer.content) > 2**21
    assert busy_s(client, ask) < decoding_s / 2


def test_a_scrape_leaves_the_loop_free(client, decoding_s):
    client.get("/metrics")
    assert busy_s(client, lambda: client.get("/metrics")) < decoding_s / 4
