"""What came of a replay, as a table for a person."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from service.cameras.replay import ReplayTotals
from service.cli.timeline import WatchedCamera


def frames_with_smoke(cameras: Sequence[WatchedCamera]) -> str:
    """How often single frames were right, whatever the alarm made of them."""
    frames = [frame for camera in cameras for frame in camera.frames if frame]
    words = []
    for smoke, name in ((False, "smoke-free"), (True, "with smoke"), (None, "unlabelled")):
        of_kind = [frame for frame in frames if frame.smoke is smoke]
        if of_kind:
            words.append(f"a region on {sum(bool(s.regions) for s in of_kind)} of {len(of_kind)} frames {name}")
    return ", ".join(words)


def replay_table(totals: Mapping[str, ReplayTotals], title: str) -> Table:
    """A line a policy."""
    table = Table(title=title, title_justify="left")
    for name in (
        "policy",
        "cameras",
        "hours",
        "fires found",
        "minutes to alarm",
        "alarms",
        "alarms per camera-day",
        "false",
        "false per camera-day",
        "reviews",
    ):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for name, total in totals.items():
        table.add_row(
            name,
            str(total.cameras),
            f"{total.hours:.2f}",
            f"{total.detected} of {total.fires}",
            _or_dash(total.median_detection_minutes, ".1f"),
            str(total.alarms),
            _or_dash(total.alarms_per_camera_day, ".1f"),
            _or_dash(total.false_alarms, "d"),
            _or_dash(total.false_alarms_per_camera_day, ".1f"),
            str(total.reviews),
        )
    return table


def _or_dash(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)
