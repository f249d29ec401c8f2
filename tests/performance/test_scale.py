"""The queue of `scale` against answers in closed form, and the document against what it prints."""

from pathlib import Path

import numpy as np
import pytest

from tests.performance.scale import (
    NODES,
    NodeKind,
    cameras_of,
    fleet_table,
    node_table,
    service_times,
    simulated,
    waits,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docker/SCALE.md"


def test_frames_that_come_at_once_wait_for_those_before_them_on_as_many_places_as_there_are():
    assert waits([0, 0, 0, 0, 0], [2] * 5, 2) == [0, 0, 2, 2, 4]
    assert waits([0, 1, 3.5], [2] * 3, 1) == [0, 1, 0.5]


def test_a_queue_with_poisson_arrivals_waits_as_pollaczek_and_khinchine_say():
    chance = np.random.default_rng(1)
    come = np.cumsum(chance.exponential(1.0, 200_000))
    waited = np.mean(waits(come.tolist(), [0.8] * len(come), 1))
    assert waited == pytest.approx(0.8 * 0.8 / (2 * (1 - 0.8)), rel=0.05)


def test_service_times_leave_the_frames_a_second_that_were_measured():
    node = NodeKind("here", 13.4, 2)
    assert 2 / np.mean(service_times(node, 100_000, np.random.default_rng(0))) == pytest.approx(13.4, rel=0.01)


def test_cameras_that_all_send_at_once_wait_for_the_work_of_all():
    node = NODES[0]
    _, last = simulated(node, cameras_of(node), together=True)
    assert last == pytest.approx(cameras_of(node) / node.frames_s, rel=0.05)


@pytest.mark.parametrize("table", [node_table, fleet_table])
def test_the_document_has_the_tables_that_are_printed(table):
    assert table() in DOCUMENT.read_text(encoding="utf-8")
