"""A source in a process of its own: cut off and back, silent, stopped, garbage; and nothing of it is left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from service.runtime.backoff import Backoff
from service.sources import watched
from service.sources.process import SourceFailed
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.watched import FrameOutcome, SourceState, WatchedSource
from tests.pictures import file_of, plume
from tests.service.sources.camera_server import Camera, serving
from tests.service.sources.processes import processes_of
from tests.service.sources.specs import spec_of
from tests.service.sources.watching import Watching, watch

PICTURE = file_of(plume(), "JPEG")
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc says which processes there are")


def test_a_camera_that_is_cut_off_and_comes_back_is_read_again():
    camera = Camera(PICTURE)
    with ExitStack() as there:
        there.enter_context(serving(camera))

        async def story(watching: Watching) -> None:
            await watching.more()
            assert watching.status.state is SourceState.UP
            there.close()
            await watching.until(lambda: watching.status.state is SourceState.DOWN)
            assert "Error" in watching.status.error
            with serving(camera, camera.port):
                await watching.more()
            assert watching.status.error == ""

        done = watch(spec_of("snapshot", camera.url()), story)
    assert done.status.reconnects >= 1
    assert done.status.stalls == 0
    assert {frame.body for frame in done.frames} == {PICTURE}


def test_a_camera_that_accepts_and_then_sends_nothing_is_found_silent_and_read_again():
    with serving(Camera(PICTURE)) as camera:

        async def story(watching: Watching) -> None:
            await watching.more()
            camera.behaviour = "silent"
            await watching.until(lambda: watching.status.stalls)
            assert watching.status.state is SourceState.STALLED
            assert "found nothing for 3.1 s" in watching.status.error
            camera.behaviour = "well"
            await watching.more()

        watch(spec_of("snapshot", camera.url(), stall_s=3.0), story)


@linux
def test_a_process_that_hangs_so_that_nothing_reaches_it_is_killed_and_begun_anew():
    with serving(Camera(PICTURE)) as camera:

        async def story(watching: Watching) -> None:
            await watching.more()
            (hung,) = processes_of()
            os.kill(hung, signal.SIGSTOP)
            await watching.until(lambda: watching.status.stalls)
            await watching.until(lambda: hung not in processes_of())
            assert watching.zombies() == []
            await watching.more()

        watch(spec_of("snapshot", camera.url(), stall_s=3.0), story)


@linux
def test_a_process_that_dies_is_no_zombie_and_is_begun_anew():
    with serving(Camera(PICTURE)) as camera:

        async def story(watching: Watching) -> None:
            await watching.more()
            os.kill(*processes_of(), signal.SIGSEGV)
            await watching.until(lambda: watching.status.reconnects)
            await watching.more()
            assert watching.zombies() == []

        done = watch(spec_of("snapshot", camera.url()), story)
    assert done.status.stalls == 0


@linux
def test_its_command_names_neither_the_camera_nor_its_password():
    with serving(Camera(PICTURE, "digest")) as camera:

        async def story(watching: Watching) -> None:
            await watching.more(1)
            (command,) = processes_of().values()
            assert "geheim" not in command
            assert str(camera.port) not in command

        watch(spec_of("snapshot", camera.url(), username="viewer", password="geheim"), story)


def test_a_folder_in_which_nothing_new_comes_is_not_silent(tmp_path):
    (tmp_path / "1.jpg").write_bytes(PICTURE)

    async def story(watching: Watching) -> None:
        await watching.more(1)
        await asyncio.sleep(1.0)

    done = watch(spec_of("folder", tmp_path, stall_s=0.5), story)
    assert (done.status.stalls, done.status.reconnects, len(done.frames)) == (0, 0, 1)


def test_pauses_grow_while_a_source_fails(monkeypatch):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(watched, "source_process", failing)
    monkeypatch.setattr(watched.asyncio, "sleep", sleep)
    monkeypatch.setattr(Backoff, "scattered", Backoff.after)
    source = WatchedSource(spec_of("rtsp", "rtsp://x/"), lambda _: asyncio.sleep(0))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(source.run())
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60]


@asynccontextmanager
async def failing(_: SourceSpec) -> AsyncIterator[None]:
    raise SourceFailed("found nothing, expected a camera")
    yield


class Five:
    """A process that gives five frames at once."""

    async def frames(self) -> AsyncIterator[CameraFrame]:
        for number in range(1, 6):
            yield CameraFrame(float(number), b"")
            await asyncio.sleep(0)


@asynccontextmanager
async def five(_: SourceSpec) -> AsyncIterator[Five]:
    yield Five()


@pytest.mark.parametrize(("kind", "taken", "replaced"), [("rtsp", [1, 5], 3), ("video", [1, 2, 3, 4, 5], 0)])
def test_of_a_camera_the_newest_frame_counts_and_of_a_recording_each(monkeypatch, kind, taken, replaced):
    monkeypatch.setattr(watched, "source_process", five)
    times: list[float] = []

    async def slow(frame: CameraFrame) -> FrameOutcome:
        times.append(frame.captured_s)
        for _ in range(100):  # until all have come, counted in turns of the loop: time may stand still for one of them
            await asyncio.sleep(0)
        return FrameOutcome("clear")

    source = WatchedSource(spec_of(kind, "x"), slow)
    asyncio.run(source.run())
    assert times == taken
    assert (source.status.frames, source.status.replaced, source.status.state) == (5, replaced, SourceState.ENDED)


@pytest.mark.parametrize(("kind", "taken"), [("rtsp", [1, 5]), ("video", [1, 1, 2, 3, 4, 5])])
def test_who_is_told_to_come_later_comes_with_the_newest_frame(monkeypatch, kind, taken):
    monkeypatch.setattr(watched, "source_process", five)
    times: list[float] = []

    async def later(frame: CameraFrame) -> FrameOutcome:
        times.append(frame.captured_s)
        return FrameOutcome("clear") if len(times) > 1 else FrameOutcome(problem="full", pause_s=0.5)

    asyncio.run(WatchedSource(spec_of(kind, "x"), later).run())
    assert times == taken


def test_a_fault_in_taking_a_frame_costs_that_frame_alone(monkeypatch):
    monkeypatch.setattr(watched, "source_process", five)
    times: list[float] = []

    async def faulty(frame: CameraFrame) -> FrameOutcome:
        times.append(frame.captured_s)
        if len(times) == 2:
            raise RuntimeError("a fault")
        return FrameOutcome("clear")

    source = WatchedSource(spec_of("video", "x"), faulty)
    asyncio.run(source.run())
    assert times == [1, 2, 3, 4, 5]
    assert source.status.refused == 1
