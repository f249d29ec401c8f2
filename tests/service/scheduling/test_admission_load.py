"""A day at the door: load beyond capacity, callers that ask again at once, cameras in lock step."""

import pytest

from service.errors import ServiceFull
from service.scheduling.admission import Admission
from tests.performance.open_loop import percentile
from tests.service.scheduling.door import Door

# A day at the door


class Shop(Door):
    """Two runners behind the door, in time that is reckoned, not waited for."""

    def __init__(self, service_s: float = 0.11, runners: int = 2, **chosen: float) -> None:
        super().__init__(**{"wait_max_s": 2.0, "camera_wait_max_s": 30.0, **chosen}, run_s=service_s, runners=runners)
        self.service_s = service_s
        self.refused = 0
        self._free_s = [0.0] * runners
        self._inside: list[tuple[float, Admission]] = []

    def serve(self, arrivals: list[tuple[float, str | None]]) -> list[float]:
        """Latencies of those who were let in, out of (time, camera)."""
        return [latency for at_s, camera in arrivals if (latency := self.one(at_s, camera)) is not None]

    def one(self, at_s: float, camera: str | None = None) -> float | None:
        while self._inside and self._inside[0][0] <= at_s:
            self.clock.now_s, admission = self._inside.pop(0)
            self.leave(admission)
        self.clock.now_s = at_s
        try:
            admission = self.enter(camera)
        except ServiceFull:
            self.refused += 1
            return None
        runner = self._free_s.index(min(self._free_s))
        done_s = self._free_s[runner] = max(at_s, self._free_s[runner]) + self.service_s
        self._inside.append((done_s, admission))
        return done_s - at_s


def schedule(rate_per_s: float, seconds: float) -> list[tuple[float, None]]:
    return [(number / rate_per_s, None) for number in range(int(rate_per_s * seconds))]


def test_at_four_times_the_capacity_no_runner_idles_and_nobody_waits_for_longer_than_the_bound():
    capacity = 2 / 0.11
    calm = Shop().serve(schedule(0.8 * capacity, 60))
    assert len(calm) == int(0.8 * capacity * 60)
    rushed = Shop().serve(schedule(4 * capacity, 60))
    assert len(rushed) >= 0.99 * capacity * 60
    assert percentile(rushed, 0.99) <= 2.0 + 2 * percentile(calm, 0.99)
    assert max(rushed) <= 2.0 + 0.11 + 1e-6


def test_sixteen_clients_that_ask_again_as_soon_as_they_are_answered_are_never_refused():
    shop = Shop()
    due_s = [0.001 * number for number in range(16)]
    for _ in range(1000):
        client = due_s.index(min(due_s))
        latency = shop.one(due_s[client])
        assert latency is not None
        due_s[client] += latency
    assert max(due_s) == pytest.approx(1000 * 0.11 / 2, rel=0.05)  # and no runner idles


def test_cameras_in_lock_step_are_all_served_round_after_round():
    cameras = [(60.0 * turn + 0.001 * number, f"camera-{number}") for turn in range(6) for number in range(100)]
    latencies = Shop().serve(cameras)
    assert len(latencies) == 600
    assert max(latencies) < 5.6  # a hundred frames, eighteen a second


def test_a_client_without_cameras_names_does_not_keep_cameras_out():
    shop = Shop()
    shop.serve([(0.0, None)] * 100)
    assert 0 < shop.refused < 100
    assert len(shop.serve([(0.0, f"camera-{number}") for number in range(100)])) == 100
