"""What the event loop itself is busy with, in processor time: a busy machine does not show in it, work left on the loop does."""

import time

import pytest

from tests.pictures import file_of, noisy

LARGE = file_of(noisy(1, 1600, 1200))
ALL = "/segment?outputs=mask,probability,total,aleatoric,epistemic,overlay&resolution=frame"
MOST_S = 0.025


def busy_s(client, ask) -> float:
    """Processor time that the loop's thread spends on a request."""
    before_s = client.portal.call(time.thread_time)
    assert ask().status_code == 200
    return client.portal.call(time.thread_time) - before_s


@pytest.mark.parametrize("kind", ["body", "form"])
def test_a_large_frame_with_a_large_answer_leaves_the_loop_free(client, kind):
    def ask():
        if kind == "form":
            return client.post(ALL, files={"frame": ("frame.png", LARGE, "image/png")})
        return client.post(ALL, content=LARGE)

    answer = ask()
    assert len(answer.content) > 2**21
    assert min(busy_s(client, ask) for _ in range(2)) < MOST_S


def test_a_scrape_leaves_the_loop_free(client):
    client.get("/metrics")
    assert min(busy_s(client, lambda: client.get("/metrics")) for _ in range(2)) < MOST_S
