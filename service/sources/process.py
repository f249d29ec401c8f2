"""A source's process, from the side that starts it: a read that never returns cannot hold up anything, since it can be killed."""

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Final

from service.runtime.process import python_calling
from service.sources.spec import CameraFrame, SourceSpec
from service.sources.wire import Message, receive

_START_S: Final = 60.0
"""For the interpreter and what it imports, on a machine that is busy."""
_LEAVE_S: Final = 5.0
_CHUNK_BYTES: Final = 2**16


class SourceFailed(Exception):  # noqa: N818 - says what happened
    """The source gives no more frames for now; the message is for a person and holds no secret."""


class SourceStalled(SourceFailed):
    """Nothing came for longer than it may."""


@asynccontextmanager
async def source_process(spec: SourceSpec) -> AsyncIterator["SourceProcess"]:
    """The process while the context lasts; it is killed and waited for on leaving it, whatever it is doing."""
    # What is to be read goes through the pipe: others may see what stands in a command.
    command = python_calling("service.sources.readers.serve", "serve_source")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    try:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - they were asked for
        process.stdin.write(json.dumps(asdict(spec)).encode() + b"\n")
        yield SourceProcess(spec, process, process.stdout)
    finally:
        await _ended(process)


class SourceProcess:
    """A process that reads one source."""

    def __init__(self, spec: SourceSpec, process: Process, said: asyncio.StreamReader) -> None:
        self._spec = spec
        self._process = process
        self._said = said

    async def frames(self) -> AsyncIterator[CameraFrame]:
        """Its frames, until the source ends.

        Raises:
            SourceFailed: It gives none; SourceStalled where it is silent for too long.
        """
        most_s = _START_S
        while (message := await self._receive(most_s)).word != "ended":
            most_s = self._spec.interval_s + self._spec.stall_s
            if message.word == "failed":
                raise SourceFailed(message.body.decode())
            if message.word == "frame":
                yield CameraFrame(message.captured_s, message.body)

    async def _receive(self, most_s: float) -> Message:
        try:
            async with asyncio.timeout(most_s):
                return await receive(self._said)
        except TimeoutError:
            raise SourceStalled(f"found nothing for {most_s:g} s, expected a frame; its process was ended") from None
        except (EOFError, ValueError):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await self._process.wait()
            code = self._process.returncode
            raise SourceFailed(f"found its process ended by itself with {code}, expected it to go on") from None


async def _ended(process: Process) -> None:
    """Kill it if it lives, and wait for it, so that it becomes neither an orphan nor a zombie."""
    if process.returncode is None:
        process.kill()
    if process.stdin:
        process.stdin.close()
    while process.stdout and await process.stdout.read(_CHUNK_BYTES):
        pass  # asyncio takes a process for ended when its pipes are empty.
    await process.wait()
