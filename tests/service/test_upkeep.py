"""Rules and snapshot are kept fresh while frames come in."""

import asyncio
import json
import time

from prometheus_client import CollectorRegistry

from service.cameras.alarm import State, Watch
from service.cameras.evidence import Policy
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.snapshot import upkeep


def cameras(path=None) -> Cameras:
    return Cameras(8, CameraFile(path, Policy()), CameraMetrics(CollectorRegistry()))


async def until(condition, most_s: float = 10.0) -> None:
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is a file or a line of the log
            await asyncio.sleep(0.01)


def test_a_change_is_on_disk_without_waiting_for_the_end(tmp_path):
    async def run() -> None:
        known = cameras()
        async with upkeep(known, tmp_path / "state.json", period_s=0.01):
            known.restore("ridge", Watch(State.ALARM), time.time())
            known.changes += 1
            await until((tmp_path / "state.json").exists)
            assert json.loads((tmp_path / "state.json").read_text())["cameras"]["ridge"]["state"] == "alarm"

    asyncio.run(run())


def test_a_disk_that_takes_nothing_is_said_and_tried_again(tmp_path, caplog):
    async def run() -> None:
        known = cameras()
        async with upkeep(known, tmp_path / "missing/state.json", period_s=0.01):
            known.restore("ridge", Watch(State.ALARM), time.time())
            known.changes += 1
            await until(lambda: "state file cannot be written" in caplog.text)
            (tmp_path / "missing").mkdir()
            await until((tmp_path / "missing/state.json").exists)

    asyncio.run(run())


def test_a_camera_that_is_gone_is_forgotten_by_and_by(tmp_path):
    async def run() -> None:
        known = cameras()
        known.restore("ridge", Watch(State.ALARM), time.time() - 86_401.0)
        async with upkeep(known, tmp_path / "state.json", period_s=0.01):
            await until(lambda: not list(known))
        assert json.loads((tmp_path / "state.json").read_text())["cameras"] == {}

    asyncio.run(run())


def test_new_rules_are_in_force_without_a_restart(tmp_path):
    async def run() -> None:
        path = tmp_path / "cameras.toml"
        path.write_text("")
        known = cameras(path)
        async with upkeep(known, None, period_s=0.01):
            path.write_text("[default]\nhits = 1\n")
            await until(lambda: known.file.rules.default.policy.hits == 1)

    asyncio.run(run())
