"""What the operator wants of each camera: a TOML file of policies and ignored places, read again when it changes.

[default]                    # any field of `service.cameras.evidence.AlarmPolicy`
hits = 3
[camera.north-3]
frames = 8
false_alarm_rate = 0.05      # its frames are segmented at the threshold that the release certifies for this rate
ignore = [[[0.0, 0.8], [1.0, 0.8], [1.0, 1.0], [0.0, 1.0]]]     # polygons in fractions of the frame
"""

import logging
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from models.manifest import Manifest
from models.operating_points import OperatingPointError
from service.cameras.evidence import AlarmPolicy, Box
from service.errors import SettingsInvalid
from service.pipeline.threshold import certified

_LOG = logging.getLogger("service.cameras")
_GRID: Final = 200
_IGNORED_SHARE: Final = 0.5
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "frames": (1, 32),
        "hits": (0.1, 32),
        "window_s": (1, 86_400),
        "hold": (0, 1),
        "cooldown_s": (0, 86_400),
        "doubted": (0, 1),
        "sure": (0, 1),
        "overlap": (0, 1),
        "margin": (0, 1),
        "false_alarm_rate": (0, 1),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one camera.

    Attributes:
        policy: When its smoke becomes an alarm.
        ignored: The part of the frame in which nothing counts, a grid of (200, 200) uint8, or None.
        false_alarm_rate: Chooses the threshold at which its frames are segmented; None leaves that to the service.
    """

    policy: AlarmPolicy
    ignored: npt.NDArray[np.uint8] | None = None
    false_alarm_rate: float | None = None

    def ignores(self, box: Box) -> bool:
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

    def of(self, camera_id: str) -> Rule:
        """What holds for a camera."""
        return self.cameras.get(camera_id, self.default)

    def check_rates(self, manifest: Manifest) -> None:
        """Hold every false-alarm rate against a release. Raises OperatingPointError on one that it does not certify."""
        named = {f"camera.{camera_id}": rule for camera_id, rule in self.cameras.items()}
        for name, rule in {"default": self.default, **named}.items():
            if rule.false_alarm_rate is None:
                continue
            try:
                certified(manifest, rule.false_alarm_rate)
            except OperatingPointError as error:
                raise OperatingPointError(f"{name}.false_alarm_rate: {error}") from None

    @classmethod
    def parse(cls, text: str, base: AlarmPolicy) -> "Rules":
        """Read the file's text; what it does not say is as in `base`.

        Raises:
            ValueError: It is no TOML, or says something unknown or impossible.
        """
        raw = tomllib.loads(text)
        if unknown := raw.keys() - {"default", "camera"}:
            raise ValueError(f"found {sorted(unknown)}, expected [default] and [camera.ID]")
        default = _rule("default", raw.get("default", {}), Rule(base))
        cameras = {name: _rule(f"camera.{name}", table, default) for name, table in raw.get("camera", {}).items()}
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
        self.rules = Rules(Rule(base))
        self.error: str | None = None
        self.refresh()
        if self.error:
            raise SettingsInvalid(f"SMOKE_CAMERAS_FILE: {self.error}")

    def refresh(self) -> None:
        """Read the file if it has changed; a broken one keeps the old rules, and `error` and the log say so."""
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text(encoding="utf-8")
            self._stamp = stamp
            rules = Rules.parse(text, self._base)
            self._check(rules)
            self.rules = rules
        except (OSError, OperatingPointError) as error:
            self._stamp = None  # Tried again: the file may come back, and another model may certify the rate.
            self._say(f"{self._path}: {error}")
        except (ValueError, TypeError, AttributeError) as error:
            self._stamp = stamp
            self._say(f"{self._path}: {error}")
        else:
            self.error = None
            _LOG.info("cameras file read", extra={"file": str(self._path), "cameras": len(self.rules.cameras)})

    def _say(self, error: str) -> None:
        if error != self.error:
            _LOG.error("cameras file refused; the rules from before stay in force", extra={"error": error})
        self.error = error


def _rule(name: str, table: Any, base: Rule) -> Rule:  # noqa: ANN401 - decoded TOML
    if not isinstance(table, dict):
        raise TypeError(f"{name}: found {table!r}, expected a table")
    known = {entry.name for entry in fields(AlarmPolicy)} | {"ignore", "false_alarm_rate"}
    if unknown := table.keys() - known:
        raise ValueError(f"{name}: found {sorted(unknown)}, expected some of {', '.join(sorted(known))}")
    numbers = {key: _number(f"{name}.{key}", value, key) for key, value in table.items() if key != "ignore"}
    rate = numbers.pop("false_alarm_rate", base.false_alarm_rate)
    policy = replace(base.policy, **numbers)
    if policy.hits > policy.frames:
        raise ValueError(f"{name}: found hits {policy.hits:g} of frames {policy.frames}, expected at most as many")
    return Rule(policy, _grid(name, table["ignore"]) if "ignore" in table else base.ignored, rate)


def _number(name: str, value: Any, key: str) -> Any:  # noqa: ANN401 - decoded TOML
    low, high = _BOUNDS[key]
    kinds = (int,) if key == "frames" else (int, float)
    if type(value) not in kinds or not low <= value <= high:
        raise ValueError(f"{name}: found {value!r}, expected a {kinds[-1].__name__} from {low:g} to {high:g}")
    return value


def _grid(name: str, polygons: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401 - decoded TOML
    """The ignored part of the frame: (200, 200) uint8, 1 where nothing counts."""
    grid = np.zeros((_GRID, _GRID), np.uint8)
    for polygon in polygons:
        points = np.array(polygon, np.float64)
        if (
            points.ndim != 2
            or points.shape[1] != 2
            or not 3 <= len(points) <= 256
            or points.min() < 0
            or points.max() > 1
        ):
            raise ValueError(
                f"{name}.ignore: found {str(polygon)[:80]}, expected three or more points [x, y] from 0 to 1"
            )
        cv2.fillPoly(grid, [np.rint(points * _GRID - 0.5).astype(np.int32)], 1)
    return grid
