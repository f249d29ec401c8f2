"""What a released model promises: the contract that training writes and the service holds the artefact against.

A release is a folder `<name>-<version>/` with `manifest.json`, the model files and a golden frame. It is immutable: new weights,
new version. Nothing here imports torch or onnxruntime.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from models.close_ups import CloseUpError, CloseUps
from models.drift import DRIFTING, Histogram, HistogramError
from models.gate import Gate, GateError
from models.operating_points import OperatingPointError, OperatingPoints

SCHEMA = 1
MANIFEST_FILE = "manifest.json"
RELEASED = Path(__file__).resolve().parent / "released"
DEFAULT_NAME = "smoke-embedded"
"""Of the releases that are served where none is chosen."""
MINIMUM_REGION = 0.0002
"""Smallest region that counts, as a fraction of the frame, where a release does not say otherwise."""
OUTPUTS = ("probability", "total", "aleatoric", "epistemic")
NOVELTY = "novelty"
"""The output (batch,) float32 of a graph that tells it, beside the maps."""
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_T = TypeVar("_T")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class ManifestError(ValueError):
    """A release folder breaks its promise; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the release: its sha256 (hexadecimal) and its size."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Input:
    """What the graph takes: (batch, size_px, size_px, 3) uint8, RGB, squashed by `models.geometry.fit`. Normalisation: in the graph."""

    name: str = "frame"
    dtype: str = "uint8"
    layout: str = "NHWC"
    colour: str = "RGB"
    size_px: int = 480
    fit: str = "squash"
    interpolation: str = "area"


@dataclass(frozen=True, slots=True)
class Output:
    """What the graph gives under a name: (batch, size_px, size_px) float32 in [minimum, maximum], in `unit`."""

    name: str
    unit: str
    minimum: float
    maximum: float
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Golden:
    """A rendered frame and the maps expected for it.

    Attributes:
        frame: Picture file, relative to the release.
        maps: `.npz` with one (size_px, size_px) array per output.
        tolerance: Largest absolute difference allowed, in each output's unit, on another machine or provider.
    """

    frame: str
    maps: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """The promise of one release.

    Attributes:
        name, version: Together the folder's name; the version is three numbers.
        files: Every file of the release but the manifest, by relative path.
        models: Model file per precision, `{"fp32": "model.onnx"}`, and beside it perhaps "fp16" and "int8".
        threshold: Probability from which on a pixel counts as smoke.
        minimum_region: Area of the smallest region that counts as a detection, as a fraction of the frame.
        golden: The frame checked before the service reports ready, and what the fp32 model makes of it.
        gate: When a detection is doubted; without one none is.
        reference: How frames were distributed at the release, by quantity of `models.drift.DRIFTING`.
        parity: Largest absolute difference between torch and onnxruntime seen at export, per output.
        numbers: What was measured, as `evaluate` reports it.
        provenance: Configuration hash, seed, data, command.
        goldens: What the models of other precisions make of the golden frame, by precision.
        operating_points: Threshold by false-alarm rate, where it was measured.
        novelty_limit: Novelty above which a frame is unlike those that the model was measured on; None where the graph tells none.
        close_ups: How small smoke is looked at once more; None where the model was measured without.
    """

    name: str
    version: str
    files: Mapping[str, File]
    models: Mapping[str, str]
    golden: Golden
    threshold: float
    minimum_region: float = MINIMUM_REGION
    input: Input = field(default_factory=Input)
    outputs: tuple[Output, ...] = (
        Output("probability", "1", 0.0, 1.0),
        Output("total", "nat", 0.0, math.log(2)),
        Output("aleatoric", "nat", 0.0, math.log(2)),
        Output("epistemic", "nat", 0.0, math.log(2)),
    )
    parity: Mapping[str, float] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    gate: Gate | None = None
    reference: Mapping[str, Histogram] | None = None
    schema: int = SCHEMA
    goldens: Mapping[str, Golden] = field(default_factory=dict)
    operating_points: OperatingPoints | None = None
    novelty_limit: float | None = None
    close_ups: CloseUps | None = None

    def __post_init__(self) -> None:
        _expect(self.schema == SCHEMA, f"schema {self.schema!r}", f"schema {SCHEMA}")
        expect_possible(self.name, self.version, self.threshold)
        _expect(0.0 <= self.minimum_region < 1.0, f"minimum_region {self.minimum_region!r}", "a fraction of the frame")
        outputs = [output.name for output in self.outputs]
        _expect(outputs == list(OUTPUTS), f"outputs {outputs}", f"{list(OUTPUTS)}")
        _expect(_is_possible(self.input), f"input {self.input}", f"{Input(self.input.name)} of any size_px > 0")
        limit = self.novelty_limit
        possible = limit is None or (isinstance(limit, int | float) and 0.0 < limit < math.inf)
        _expect(possible, f"novelty_limit {limit!r}", "a finite number above 0, or none")
        _expect("fp32" in self.models, f"models {dict(self.models)}", "at least fp32")
        others = sorted(set(self.models) - {"fp32"})
        _expect(sorted(self.goldens) == others, f"goldens of {sorted(self.goldens)}", f"one for each of {others}")
        unknown = set(self.reference or ()) - set(DRIFTING)
        _expect(not unknown, f"reference of {sorted(unknown)}", f"some of {', '.join(DRIFTING)}")
        goldens = (file for golden in (self.golden, *self.goldens.values()) for file in (golden.frame, golden.maps))
        for file in (*self.models.values(), *goldens):
            _expect(file in self.files, f"file {file!r} without a checksum", "each named file listed under files")
        for path in map(Path, self.files):
            inside = not path.is_absolute() and ".." not in path.parts
            _expect(inside, f"file {str(path)!r}", "a relative path inside the release")

    @property
    def sha256(self) -> str:
        """The checksum of the fp32 model file: what identifies the weights."""
        return self.files[self.models["fp32"]].sha256

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and validate `folder/manifest.json`.

        Raises:
            ManifestError: The folder or the file is missing, is no JSON, or says something unknown or impossible.
        """
        path = folder / MANIFEST_FILE
        if path.exists() and not path.is_file():  # reading a pipe or a device may never end
            raise ManifestError(f"{path}: found a folder, a pipe or a device, expected a file")
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ManifestError(f"{path}: not found; expected a release folder with a {MANIFEST_FILE}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ManifestError(f"{path}: not readable as JSON: {error}") from error
        try:
            return cls.from_json(raw)
        except ManifestError as error:
            raise ManifestError(f"{path}: {error}") from error

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build a manifest from decoded JSON. Raises ManifestError on a missing, unknown or mistyped key."""
        if not isinstance(raw, dict):
            raise ManifestError(f"found {type(raw).__name__}, expected an object")
        try:
            values = dict(raw)
            values["files"] = {path: File(**file) for path, file in values["files"].items()}
            values["input"] = Input(**values["input"])
            values["outputs"] = tuple(Output(**output) for output in values["outputs"])
            values["golden"] = Golden(**values["golden"])
            values["goldens"] = {name: Golden(**golden) for name, golden in values.get("goldens", {}).items()}
            values["gate"] = _optional(values.get("gate"), Gate.from_json)
            values["reference"] = _optional(values.get("reference"), _histograms)
            values["operating_points"] = _optional(values.get("operating_points"), OperatingPoints.from_json)
            values["close_ups"] = _optional(values.get("close_ups"), CloseUps.from_json)
            return cls(**values)
        except (CloseUpError, GateError, HistogramError, OperatingPointError) as error:
            raise ManifestError(str(error)) from error
        except (KeyError, TypeError, AttributeError) as error:
            known = ", ".join(f.name for f in fields(cls))
            raise ManifestError(f"{error}; expected the keys {known}") from error

    def write(self, folder: Path) -> None:
        """Write `folder/manifest.json`."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def verify(self, folder: Path) -> None:
        """Hold every listed file against its size and sha256.

        Raises:
            ManifestError: A file is missing, truncated, altered, or lies outside the release.
        """
        # Of links that lead in a circle, `Path.resolve` raises RuntimeError in Python 3.11.
        root = Path(os.path.realpath(folder))
        for name, promised in self.files.items():
            path = Path(os.path.realpath(root / name))
            if not path.is_relative_to(root):
                raise ManifestError(f"{folder / name}: leads outside the release, expected a file inside it")
            if not path.is_file():
                raise ManifestError(f"{folder / name}: missing, expected {promised.bytes} bytes")
            found = describe(path)
            if found != promised:
                raise ManifestError(f"{folder / name}: found {found}, expected {promised}")


def _optional(raw: object, build: Callable[[object], _T]) -> _T | None:
    return None if raw is None else build(raw)


def _histograms(raw: object) -> dict[str, Histogram]:
    if not isinstance(raw, dict):
        raise HistogramError(f"found reference {type(raw).__name__}, expected histograms by quantity")
    return {name: Histogram.from_json(histogram) for name, histogram in raw.items()}


def describe(path: Path) -> File:
    """Checksum and size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(sha256=digest, bytes=path.stat().st_size)


def expect_possible(name: str, version: str, threshold: float) -> None:
    """Raises ManifestError where no release can be called so, or run at that threshold."""
    _expect(bool(_NAME.fullmatch(name)), f"name {name!r}", "small letters, digits and hyphens")
    _expect(
        bool(_VERSION.fullmatch(version)),
        f"version {version!r}",
        "three numbers, as in 0.1.0, none with zeros before it",
    )
    number = isinstance(threshold, int | float) and 0.0 < threshold < 1.0
    _expect(number, f"threshold {threshold!r}", "a number between 0 and 1")


def newest_release(root: Path = RELEASED) -> Path:
    """The release folder with the highest version below `root`, of those named as the default is; others are chosen by their folder.

    Raises:
        ManifestError: There is none.
    """
    folders = sorted(root.glob(f"{DEFAULT_NAME}-*/"))
    releases = [(version, path) for path in folders if (version := _version_of(path))]
    if not releases:
        raise ManifestError(
            f"{root}: no release found, expected a folder {DEFAULT_NAME}-<version> with a {MANIFEST_FILE}"
        )
    return max(releases)[1]


def _version_of(path: Path) -> tuple[int, ...] | None:
    match = _VERSION.fullmatch(path.name.rpartition("-")[2])
    return tuple(int(number) for number in match.groups()) if match and (path / MANIFEST_FILE).is_file() else None


def _is_possible(found: Input) -> bool:
    """Whether the input is the only kind that `models.geometry` makes; an unchecked word would be a promise that nobody keeps."""
    return type(found.size_px) is int and found.size_px > 0 and found == Input(found.name, size_px=found.size_px)


def _expect(holds: bool, found: str, expected: str) -> None:
    if not holds:
        raise ManifestError(f"found {found}, expected {expected}")
