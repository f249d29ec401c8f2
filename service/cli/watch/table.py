"""How the sources are, for a person at a terminal."""

import time
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from service.sources.watched import SourceState, WatchedSource

_STYLES = {SourceState.UP: "green", SourceState.DOWN: "red", SourceState.STALLED: "red"}


def status_table(sources: Sequence[WatchedSource]) -> Table:
    """A row for each source."""
    table = Table(expand=False)
    for column in ("camera", "source", "state", "last frame", "frames", "reconnects", "stalls", "found"):
        table.add_column(column, justify="right" if column in ("frames", "reconnects", "stalls") else "left")
    for source in sources:
        status, spec = source.status, source.spec
        name = f"{spec.camera_id} {spec.view}".strip()
        style = _STYLES.get(status.state, "")
        counts = (str(status.frames), str(status.reconnects), str(status.stalls))
        about = escape(status.error) if status.error else status.found
        state = f"[{style}]{status.state}[/]" if style else status.state.value
        table.add_row(name, f"{spec.kind} {escape(spec.shown)}", state, _age(status.frame_s), *counts, about)
    return table


def summary(sources: Sequence[WatchedSource]) -> str:
    """One line: how many sources are in each state."""
    states = [source.status.state for source in sources]
    return ", ".join(f"{states.count(state)} {state}" for state in SourceState if state in states)


def _age(frame_s: float) -> str:
    return f"{max(0.0, time.time() - frame_s):.0f} s ago" if frame_s else "-"
