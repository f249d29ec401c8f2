"""What `smoke-bvm watch` does: put the parts together, watch until told to stop, end every process."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Final

import httpx2
from rich.console import Console
from rich.live import Live

from service.cli.watch.alarm_lines import AlarmLines
from service.cli.watch.application import embedded, posting
from service.cli.watch.posting import FramePoster
from service.cli.watch.table import status_table, summary
from service.errors import SettingsInvalid
from service.files import read_secret
from service.runtime.process import limit_heap
from service.server.logs import start_logging
from service.settings import Settings, environment
from service.sources.cameras_file import read_sources
from service.sources.metrics import metrics_server
from service.sources.spec import SourceSpec
from service.sources.watched import WatchedSource

_LOG = logging.getLogger("service.sources")
_SUMMARY_S: Final = 60.0
_KEY_VARIABLE: Final = "SMOKE_API_KEY"


def run_watch(chosen: argparse.Namespace) -> int:
    """Watch until SIGTERM, Ctrl-C, or until every source has ended; returns the exit code.

    Raises:
        StartError: The file, the key, the port or the model cannot be used.
    """
    specs = read_sources(chosen.cameras, environment())
    key = _key(chosen)
    settings = Settings.load(model_dir=chosen.model_dir, log_format=chosen.log_format)
    limit_heap()
    asyncio.run(_watch(specs, chosen, settings, key))
    return 0


def _key(chosen: argparse.Namespace) -> str | None:
    if chosen.key_file is None:
        return environment().get(_KEY_VARIABLE) or None
    try:
        return read_secret(chosen.key_file)
    except ValueError as error:
        raise SettingsInvalid(f"--key-file: {error}") from None


async def _watch(specs: Sequence[SourceSpec], chosen: argparse.Namespace, settings: Settings, key: str | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sources: list[WatchedSource] = []
    with _screen(sources):
        start_logging(settings.log_level, settings.log_format)
        async with posting(chosen.server, key) if chosen.server else embedded(settings) as (client, metrics):
            sources.extend(_sources(specs, client))
            port = chosen.metrics_port
            serving = (
                nullcontext()
                if port is None
                else metrics_server(sources, metrics.registry if metrics else None, chosen.metrics_host, port)
            )
            with serving as metrics_at:
                told = {"sources": len(sources), "answered_by": chosen.server or "this process"}
                _LOG.info("watching", extra=told | ({"metrics_port": metrics_at} if metrics_at else {}))
                await _until_ended(sources, stop)


def _sources(specs: Sequence[SourceSpec], client: httpx2.AsyncClient) -> Iterator[WatchedSource]:
    lines = AlarmLines(partial(print, flush=True))
    for spec in specs:
        yield WatchedSource(spec, FramePoster(client, spec, partial(lines.answered, view=spec.view)).post)


async def _until_ended(sources: Sequence[WatchedSource], stop: asyncio.Event) -> None:
    """Watch until all sources have ended or one is told to stop; then every process is gone."""
    watching = asyncio.create_task(_watch_all(sources))
    others: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait()), asyncio.create_task(_summaries(sources))]
    try:
        await asyncio.wait([watching, *others], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            await watching
    finally:
        for task in (watching, *others):
            task.cancel()
        await asyncio.gather(watching, *others, return_exceptions=True)
        _LOG.info("stopped", extra={"sources": summary(sources)})


async def _watch_all(sources: Sequence[WatchedSource]) -> None:
    async with asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(source.run(), name=source.spec.camera_id)


async def _summaries(sources: Sequence[WatchedSource]) -> None:
    while True:
        await asyncio.sleep(_SUMMARY_S)
        _LOG.info("sources", extra={"sources": summary(sources)})


@contextmanager
def _screen(sources: Sequence[WatchedSource]) -> Iterator[None]:
    """A table on a terminal; elsewhere nothing but the lines of the log."""
    if not sys.stderr.isatty():
        yield
        return
    shown = Live(
        console=Console(stderr=True),
        get_renderable=lambda: status_table(sources),
        refresh_per_second=1,
        redirect_stdout=sys.stdout.isatty(),
    )
    with shown:
        yield
