"""What people said of a service's alarms: the JSONL file that it appends to, as a table by camera and assessment, and by threshold.

A line says above which threshold its alarm would have been silent. So the alarms that were judged tell which of them a higher threshold
would have spared, and which fires it would have cost; what a lower one would have raised they cannot tell.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from models.manifest import Manifest
from models.operating_points import OperatingPoints
from training.data.files import DataError, text_of
from training.metrics.conformal import CONFIDENCE
from training.metrics.judged_alarms import JudgedAlarm, ThresholdOutcome, threshold_outcomes
from training.metrics.regions import REGION_LEVELS
from training.metrics.segmentation import LEVELS

VERDICTS = ("true_alarm", "false_alarm")
_Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))]
"""A clock that was never set would make the days watched thousands."""


class _Alarm(BaseModel):
    state: str = ""
    since: _Moment | None = None


class _Model(BaseModel):
    name: str = ""
    version: str = ""
    sha256: str = ""


class _Line(BaseModel):
    """What is read of a line; the service writes more. Earlier ones wrote neither threshold nor silent_above."""

    camera_id: str
    verdict: Literal["true_alarm", "false_alarm"]
    at: _Moment
    assessment: str | None = None
    alarm: _Alarm = Field(default_factory=_Alarm)
    model: _Model = Field(default_factory=_Model)
    threshold: float | None = Field(None, gt=0, lt=1)
    silent_above: float | None = Field(None, ge=0, le=1)

    @property
    def began(self) -> datetime:
        """When the alarm began, or else when it was judged."""
        return self.alarm.since or self.at


class Watch(NamedTuple):
    """How many cameras were watched and for how long, every alarm judged; None: what the alarms show, which makes rates too high."""

    cameras: int | None = None
    days: int | None = None


def read_feedback(path: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Count the verdicts.

    Returns:
        `by_camera` and `by_assessment`: per name the number of each of VERDICTS.

    Raises:
        DataError: The file cannot be read, or a line is no feedback.
    """
    lines = _lines(path)
    return {
        "by_camera": _counts([(line.camera_id, line.verdict) for line in lines]),
        "by_assessment": _counts([(line.assessment or "none", line.verdict) for line in lines]),
    }


def feedback_table(found: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """The counts as Markdown, with the share of false alarms."""
    rows = "".join(
        f"| {name} | {counts['true_alarm']} | {counts['false_alarm']} | {counts['false_alarm'] / sum(counts.values()):.0%} |\n"
        for part in ("by_camera", "by_assessment")
        for name, counts in found[part].items()
    )
    return (
        "## What people said of alarms\n\nBy camera, then by the assessment at the time.\n\n"
        f"| | true alarms | false alarms | share false |\n| --- | --- | --- | --- |\n{rows.rstrip()}"
    )


def by_threshold(path: Path, manifest: Manifest, watch: Watch) -> dict[str, Any]:
    """What each threshold of a release, from that in force up, would have made of the alarms that people judged.

    Lines of other weights are left out, and so are those of no alarm. An alarm of which it is not known above which threshold it would
    have been silent counts as the worse: a false one as never silent, a true one as lost.

    Returns:
        `rows`, from the threshold in force up; `by_camera`, the alarms that stay in each; and what was counted.

    Raises:
        DataError: The file cannot be read, holds no alarm that could tell, or more than was watched.
    """
    lines, release = _lines(path), f"{manifest.name}-{manifest.version}"
    own = [line for line in lines if line.model.sha256 == manifest.sha256]
    judged = [line for line in own if line.silent_above is not None or line.alarm.state == "alarm"]
    if all(line.silent_above is None for line in judged):
        named = {f"{line.model.name}-{line.model.version}" for line in lines if line.model.name}
        raise DataError(
            f"{path}: found {len(lines)} lines, none of an alarm of {release} with silent_above, of other releases "
            f"{', '.join(sorted(named - {release})) or 'none'}; expected what service 0.7.0 or later wrote while it served"
        )
    # Who judges an alarm twice means the last.
    alarms = list({(line.camera_id, line.began): _judged(line, manifest.threshold) for line in judged}.values())
    cameras, days = _watched(alarms, watch)
    points, true = manifest.operating_points, sum(alarm.true for alarm in alarms)
    outcomes = threshold_outcomes(alarms, _thresholds(alarms, points), cameras, days)
    return {
        "release": release,
        "lines": len(lines),
        "left_out": len(lines) - len(judged),
        "unknown": sum(line.silent_above is None for line in judged),
        "alarms": {"true_alarm": true, "false_alarm": len(alarms) - true},
        "cameras": len(cameras),
        "days": days,
        "confidence": CONFIDENCE,
        "rows": [asdict(row) | {"rate_to_set": _rate_to_set(row.threshold, points)} for row in outcomes],
        "by_camera": _by_camera(alarms, outcomes),
    }


def threshold_table(found: Mapping[str, Any]) -> str:
    """The rows as Markdown, with what they do not say."""
    true, false = (found["alarms"][verdict] for verdict in VERDICTS)
    rows = "".join(
        f"| {row['threshold']:.4g} | {row['rate_to_set'] or '-'} "
        f"| {false - row['false_alarms']} of {false} | {true - row['true_alarms']} of {true} "
        f"| {row['false_per_camera_day']:.3g} | {row['share']:.1%} | {row['upper_bound']:.1%} |\n"
        for row in found["rows"]
    )
    return (
        f"## Alarms of {found['release']} that people judged, by threshold\n\n"
        f"{found['cameras']} cameras for {found['days']} days. Of {found['lines']} lines {found['left_out']} are left out, being of "
        f"other weights or of no alarm. {found['unknown']} do not say when their alarm had been silent: the worse is counted.\n\n"
        "| threshold | false_alarm_rate to set | false alarms silent | true alarms lost | false alarms per camera-day "
        f"| camera-days with one | at most, at {found['confidence']:.0%} |\n| --- | --- | --- | --- | --- | --- | --- |\n{rows}\n"
        "The bound is over cameras like these, watched as these were, with every alarm judged. Nothing is promised for a single "
        "camera, and fires that raised no alarm are not counted."
    )


def _judged(line: _Line, threshold: float) -> JudgedAlarm:
    true, in_force = line.verdict == "true_alarm", line.threshold or threshold
    worse = in_force if true else math.inf
    silent_above = worse if line.silent_above is None else line.silent_above
    return JudgedAlarm(line.camera_id, line.began.astimezone(UTC).date(), true, in_force, silent_above)


def _watched(alarms: Sequence[JudgedAlarm], watch: Watch) -> tuple[list[str], int]:
    """The cameras, those without an alarm too, and the days."""
    named = sorted({alarm.camera for alarm in alarms})
    dates = [alarm.day for alarm in alarms]
    span = (max(dates) - min(dates)).days + 1
    cameras, days = watch.cameras or len(named), watch.days or span
    if cameras < len(named) or days < span:
        found = f"found {cameras} cameras watched for {days} days"
        raise DataError(f"{found}, expected at least the {len(named)} and {span} of the alarms")
    return [*named, *(f"without an alarm {number}" for number in range(cameras - len(named)))], days


def _thresholds(alarms: Sequence[JudgedAlarm], points: OperatingPoints | None) -> list[float]:
    """The highest that was in force, and those of the release above it."""
    in_force = max(alarm.threshold for alarm in alarms)
    known = [point.threshold for point in points.points] if points else [int(level) / LEVELS for level in REGION_LEVELS]
    return [in_force, *(threshold for threshold in known if threshold > in_force)]


def _rate_to_set(threshold: float, points: OperatingPoints | None) -> float | None:
    """The false-alarm rate with which the service takes this threshold, if there is one."""
    for point in points.points if points else ():
        rate = math.ceil(point.upper_bound * 1e4) / 1e4
        if points and point.threshold == threshold and rate <= 1 and points.at_rate(rate).threshold == threshold:
            return rate
    return None


def _by_camera(alarms: Sequence[JudgedAlarm], rows: Sequence[ThresholdOutcome]) -> dict[str, dict[str, list[int]]]:
    """How many of each camera's alarms stay in each row."""

    def staying(camera: str, *, true: bool) -> list[int]:
        own = [alarm for alarm in alarms if alarm.camera == camera and alarm.true is true]
        return [sum(alarm.stays(row.threshold) for alarm in own) for row in rows]

    cameras = sorted({alarm.camera for alarm in alarms})
    return {c: {"true_alarm": staying(c, true=True), "false_alarm": staying(c, true=False)} for c in cameras}


def _lines(path: Path) -> list[_Line]:
    lines = text_of(path).split("\n")
    return [_line(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _line(text: str, where: str) -> _Line:
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            words = f"no JSON: {first['msg']}"
        elif first["loc"] in ((), ("camera_id",)):
            words = f"found {text[:120]!r}, expected an object with a camera_id"
        else:
            words = f"{'.'.join(map(str, first['loc']))} {str(first['input'])[:120]!r}: {first['msg']}"
        raise DataError(f"{where}: {words}") from error


def _counts(pairs: list[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counted = Counter(pairs)
    return {name: {verdict: counted[name, verdict] for verdict in VERDICTS} for name in sorted({n for n, _ in pairs})}
