"""What is looked after beside the frames is done in time, whatever of it fails."""

import asyncio
import json
import threading
import time

from prometheus_client import CollectorRegistry

from service.cameras import housekeeping as housekeeping_module
from service.cameras.alarm import AlarmState, CameraAlarm
from service.cameras.camera import KeptCamera
from service.cameras.evidence import AlarmPolicy
from service.cameras.housekeeping import housekeeping
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.runtime.backoff import Backoff
from service.runtime.supervision import Supervisor


def cameras(path=None) -> Cameras:
    return Cameras(8, CameraFile(path, AlarmPolicy()), CameraMetrics(CollectorRegistry()))


async def until(condition, most_s: float = 60.0) -> None:
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is a file or a line of the log
            await asyncio.sleep(0.01)


def test_a_change_is_on_disk_without_waiting_for_the_end(tmp_path):
    async def run() -> None:
        known = cameras()
        async with housekeeping(known, tmp_path / "state.json", period_s=0.01):
            known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time())
            known.changes += 1
            await until((tmp_path / "state.json").exists)
            assert json.loads((tmp_path / "state.json").read_text())["cameras"]["ridge"]["state"] == "alarm"

    asyncio.run(run())


def test_a_disk_that_takes_nothing_is_said_and_tried_again(tmp_path, caplog):
    async def run() -> None:
        known, reports = cameras(), []
        async with housekeeping(known, tmp_path / "missing/state.json", period_s=0.01, report=reports.append):
            known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time())
            known.changes += 1
            await until(lambda: "state file cannot be written" in caplog.text)
            await until(lambda: False in reports)
            (tmp_path / "missing").mkdir()
            await until((tmp_path / "missing/state.json").exists)
        assert reports[-1]

    asyncio.run(run())


def test_a_disk_that_hangs_is_said_and_waited_for(tmp_path, caplog, monkeypatch):
    free, write = threading.Event(), housekeeping_module.write_snapshot
    monkeypatch.setattr(housekeeping_module, "_HANGS_S", 0.05)
    monkeypatch.setattr(housekeeping_module, "write_snapshot", lambda *given: free.wait(60) and write(*given))

    async def run() -> None:
        known, reports = cameras(), []
        async with housekeeping(known, tmp_path / "state.json", period_s=0.01, report=reports.append):
            known.changes += 1
            await until(lambda: reports == [False])
            assert "the disk hangs" in caplog.text
            free.set()
            await until(lambda: True in reports)

    asyncio.run(run())


def test_the_last_state_waits_for_a_writing_under_way(tmp_path, monkeypatch):
    """Two at once would write into the same file beside it, and what takes the place of the old one could be a mixture."""
    free, begun, write = threading.Event(), [], housekeeping_module.write_snapshot

    def slowly(*given) -> None:
        begun.append(given)
        assert free.wait(60)
        write(*given)

    monkeypatch.setattr(housekeeping_module, "write_snapshot", slowly)

    async def run() -> None:
        known = cameras()
        keeping = housekeeping(known, tmp_path / "state.json", period_s=0.01)
        await keeping.__aenter__()
        known.changes += 1
        await until(lambda: begun)
        known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time())
        leaving = asyncio.create_task(keeping.__aexit__(None, None, None))
        await asyncio.wait({leaving}, timeout=0.1)
        assert len(begun) == 1
        free.set()
        await leaving
        assert "ridge" in json.loads((tmp_path / "state.json").read_text())["cameras"]

    asyncio.run(run())


def test_a_camera_that_is_gone_is_forgotten_by_and_by(tmp_path):
    async def run() -> None:
        known = cameras()
        known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time() - 86_401.0)
        async with housekeeping(known, tmp_path / "state.json", period_s=0.01):
            await until(lambda: not list(known))
        assert json.loads((tmp_path / "state.json").read_text())["cameras"] == {}

    asyncio.run(run())


def test_new_rules_are_in_force_without_a_restart(tmp_path):
    async def run() -> None:
        path = tmp_path / "cameras.toml"
        path.write_text("")
        known = cameras(path)
        async with housekeeping(known, None, period_s=0.01):
            path.write_text("[default]\nhits = 1\n")
            await until(lambda: known.file.rules.default.policy.hits == 1)

    asyncio.run(run())


def test_a_chore_that_fails_is_begun_again_and_keeps_nobody_from_the_others(tmp_path, caplog):
    """A camera file that breaks its reader in a way that nobody thought of: the state is saved all the same."""

    async def run() -> None:
        known = cameras()
        counted, refresh = [], known.file.refresh
        supervisor = Supervisor(lambda *what: counted.append(what), Backoff(0.0, 0.0))

        def broken() -> None:
            known.file.refresh = refresh
            raise RecursionError

        known.file.refresh = broken
        async with housekeeping(known, tmp_path / "state.json", period_s=0.01, supervisor=supervisor):
            await until(lambda: ("read cameras file", 1) in counted)
            known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time())
            known.changes += 1
            await until((tmp_path / "state.json").exists)
        assert supervisor.failing is None

    asyncio.run(run())
    assert "background task failed, and is begun again" in caplog.text


def test_nobody_is_gone_because_the_clock_of_this_machine_was_set(caplog, monkeypatch):
    async def run() -> None:
        known, now = cameras(), time.time
        known.restore("ridge", KeptCamera({"": CameraAlarm(AlarmState.ALARM)}), time.time())
        async with housekeeping(known, None, period_s=0.01):
            monkeypatch.setattr(housekeeping_module.time, "time", lambda: now() + 1e6)
            await until(lambda: "the clock of this machine was set" in caplog.text)
            await asyncio.sleep(0.05)
            assert [camera.alarm.state for camera in known] == [AlarmState.ALARM]

    asyncio.run(run())
