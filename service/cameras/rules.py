"""What the operator wants of each camera: a TOML file of policies and ignored places, read again when it changes.

[default]                    # any field of `service.cameras.evidence.AlarmPolicy`
hits = 3
[camera.north-3]
frames = 8
false_alarm_rate = 0.05      # its frames are segmented at the threshold that the release certifies for this rate
ignore = [[[0.0, 0.8], [1.0, 0.8], [1.0, 1.0], [0.0, 1.0]]]     # polygons in fractions of the frame
[camera.north-3.view.east]   # of frames with `view=east`; what it does not say is as for the camera
ignore = []
"""

import logging
import math
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from models.manifest import Manifest
from models.operating_points import OperatingPointError
from service.cameras.evidence import AlarmPolicy, RelativeBox
from service.errors import SettingsInvalid
from service.files import read_text
from service.pipeline.threshold import certified
from service.validation import check_id, in_words, parsed

_LOG = logging.getLogger("service.cameras")
_GRID: Final = 200
_IGNORED_SHARE: Final = 0.5
_TABLES: Final = {"": "[default] and [camera.ID]", "default": "a table", "camera": "items [camera.ID]"}
_Share = Annotated[float, Field(ge=0, le=1)]
_Point = Annotated[list[_Share], Field(min_length=2, max_length=2)]
_Polygon = Annotated[list[_Point], Field(min_length=3, max_length=256)]


class _Table(AlarmPolicy):
    """A table of the file: any field of a policy, a rate, polygons in which nothing counts."""

    false_alarm_rate: float | None = Field(None, ge=0, le=1)
    ignore: list[_Polygon] | None = None


class _CameraTable(_Table):
    """A camera's table, which may hold one for each of its views."""

    view: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _File(BaseModel):
    """The file: what it may hold at the top, each table still as it was decoded."""

    model_config = ConfigDict(strict=True, extra="forbid")

    default: dict[str, Any] = Field(default_factory=dict)
    camera: dict[str, dict[str, Any]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for a camera.

    Attributes:
        policy: When its smoke becomes an alarm.
        ignored: The part of the frame in which nothing counts, a grid of (200, 200) uint8, or None.
        false_alarm_rate: Chooses the threshold at which its frames are segmented; None leaves that to the service.
        views: What holds for its views.
    """

    policy: AlarmPolicy
    ignored: npt.NDArray[np.uint8] | None = None
    false_alarm_rate: float | None = None
    views: Mapping[str, "Rule"] = field(default_factory=dict)

    def tables(self, name: str) -> Iterator[tuple[str, "Rule"]]:
        """It and those of its views, each with the name of its table."""
        yield name, self
        for view, rule in self.views.items():
            yield from rule.tables(f"{name}.view.{view}")

    def ignores(self, box: RelativeBox) -> bool:
        """Whether at least half of a box (in fractions of the frame) lies where nothing counts."""
        if self.ignored is None:
            return False
        left, top = (min(_GRID - 1, int(edge * _GRID)) for edge in box[:2])
        right, bottom = max(left + 1, math.ceil(box[2] * _GRID)), max(top + 1, math.ceil(box[3] * _GRID))
        return float(self.ignored[top:bottom, left:right].mean()) >= _IGNORED_SHARE


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every camera, and for some of them by id."""

    default: Rule = field(default_factory=lambda: Rule(AlarmPolicy()))
    cameras: Mapping[str, Rule] = field(default_factory=dict)

    def of(self, camera_id: str, view: str = "") -> Rule:
        """What holds for a view of a camera."""
        rule = self.cameras.get(camera_id, self.default)
        return rule.views.get(view, rule)

    def check(self, manifest: Manifest) -> None:
        """Hold the rules against a release; a weight for doubt that it never has is told in the log.

        Raises:
            OperatingPointError: It does not certify a false-alarm rate.
        """
        for table, rule in self._tables():
            try:
                if rule.false_alarm_rate is not None:
                    certified(manifest, rule.false_alarm_rate)
            except OperatingPointError as error:
                raise OperatingPointError(f"{table}.false_alarm_rate: {error}") from None
        idle = [table for table, rule in self._tables() if manifest.gate is None and rule.policy.doubted < 1]
        if idle:
            found = {"model": f"{manifest.name}-{manifest.version}", "first": f"{idle[0]}.doubted", "tables": len(idle)}
            _LOG.warning("rules `doubted` have no effect: the model has no gate, and doubts no region", extra=found)

    def _tables(self) -> Iterator[tuple[str, Rule]]:
        yield from self.default.tables("default")
        for camera_id, rule in self.cameras.items():
            yield from rule.tables(f"camera.{camera_id}")

    @classmethod
    def parse(cls, text: str, base: AlarmPolicy) -> "Rules":
        """Read the file's text; what it does not say is as in `base`.

        Raises:
            ValueError: It is no TOML, or says something unknown or impossible.
        """
        try:
            file = _File.model_validate(tomllib.loads(text))
        except ValidationError as error:
            raise ValueError(in_words(error, _TABLES)) from None
        for camera_id in file.camera:
            check_id(f"camera.{camera_id}", camera_id)
        default = _rule("default", file.default, Rule(base))
        cameras = {name: _rule(f"camera.{name}", table, default, _CameraTable) for name, table in file.camera.items()}
        return cls(default, cameras)


class CameraFile:
    """The rules in force. `refresh` may run in another thread; the rules are replaced as a whole.

    Args:
        path: The file; None for the base policy alone.
        base: What holds where the file is silent.
        check: Raises ValueError on rules that the model in service cannot keep.

    Raises:
        SettingsInvalid: The file is broken at the start.
    """

    def __init__(self, path: Path | None, base: AlarmPolicy, check: Callable[[Rules], None] = lambda _: None) -> None:
        self._path = path
        self._base = base
        self._check = check
        self._stamp: tuple[int, int] | None = None
        self._reading = threading.Lock()
        self.rules = Rules(Rule(base))
        self.error: str | None = None
        self.read_s = 0.0
        self.refresh()
        if self.error:
            raise SettingsInvalid(f"SMOKE_CAMERAS_FILE: {self.error}")

    def refresh(self) -> None:
        """Read the file if it has changed; a broken one keeps the old rules, and `error` and the log say so."""
        if self._path is not None:
            with self._reading:
                self._refresh(self._path)

    def _refresh(self, path: Path) -> None:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            rules = parsed(lambda text: Rules.parse(text, self._base), read_text(path))
            self._check(rules)
            self.rules = rules
        except (OSError, ValueError) as error:
            if isinstance(error, OSError | OperatingPointError):
                self._stamp = None  # Tried again: the file may come back, and another model may certify the rate.
            self._say(f"{path}: {error}")
        else:
            self.error, self.read_s = None, time.time()
            _LOG.info("cameras file read", extra={"file": str(path), "cameras": len(self.rules.cameras)})

    def _say(self, error: str) -> None:
        if error != self.error:
            _LOG.error("cameras file refused; the rules from before stay in force", extra={"error": error})
        self.error = error


def _rule(name: str, table: Mapping[str, Any], base: Rule, model: type[_Table] = _Table) -> Rule:
    try:
        checked = model.model_validate({**base.policy.model_dump(), **table})
    except ValidationError as error:
        raise ValueError(in_words(error, {key: _EXPECTED[key] for key in model.model_fields}, name)) from None
    policy = AlarmPolicy(**checked.model_dump(include=set(AlarmPolicy.model_fields)))
    rate = base.false_alarm_rate if checked.false_alarm_rate is None else checked.false_alarm_rate
    rule = Rule(policy, base.ignored if checked.ignore is None else _grid(checked.ignore), rate)
    views = checked.view if isinstance(checked, _CameraTable) else {}
    for view in views:
        check_id(f"{name}.view.{view}", view)
    return replace(rule, views={view: _rule(f"{name}.view.{view}", inner, rule) for view, inner in views.items()})


def _bounds(field: FieldInfo) -> str:
    """What a field of the policy takes."""
    (low,) = (bound.ge for bound in field.metadata if isinstance(bound, Ge))
    (high,) = (bound.le for bound in field.metadata if isinstance(bound, Le))
    return f"a {getattr(field.annotation, '__name__', '')} from {low:g} to {high:g}"


_EXPECTED: Final = {name: _bounds(field) for name, field in AlarmPolicy.model_fields.items()} | {
    "false_alarm_rate": "a float from 0 to 1",
    "ignore": "three or more points [x, y] from 0 to 1 in each polygon",
    "view": "items [camera.ID.view.NAME]",
}


def _grid(polygons: Sequence[Sequence[Sequence[float]]]) -> npt.NDArray[np.uint8]:
    """The ignored part of the frame: (200, 200) uint8, 1 where nothing counts."""
    grid = np.zeros((_GRID, _GRID), np.uint8)
    for polygon in polygons:
        points = np.array(polygon, np.float64)
        cv2.fillPoly(grid, [np.rint(points * _GRID - 0.5).astype(np.int32)], 1)
    return grid
