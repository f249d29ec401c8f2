"""Checkpoint -> release folder with a proven model file, a golden frame, a manifest and a model card; or nothing."""

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from models.close_ups import CloseUps
from models.drift import Histogram
from models.gate import Gate
from models.geometry import RGB, Map, fit
from models.manifest import (
    MINIMUM_REGION,
    NOVELTY,
    OUTPUTS,
    Golden,
    Input,
    Manifest,
    describe,
    expect_possible,
)
from models.maps import SegmentationMaps
from models.networks.segmenter import SmokeSegmenter
from models.operating_points import OperatingPoints
from training.config import Config
from training.data.frames import write_png
from training.data.synthetic import add_smoke, render_landscape, render_plume
from training.engine import checkpoint as checkpoints
from training.engine.networks import load_segmenter
from training.engine.onnx_model import OnnxModel
from training.evaluation.pictures import answer_panel
from training.metrics.calibration import Calibration
from training.release import parity
from training.release.model_card import model_card

MODEL, CARD = "model.onnx", "MODEL_CARD.md"
GOLDEN_FRAME, GOLDEN_MAPS, GOLDEN_ANSWER = "golden/frame.png", "golden/maps.npz", "golden/answer.png"
GOLDEN_TOLERANCE = 0.01
_GOLDEN_SEED = 8
_GOLDEN_SIZE_PX = (480, 640)
_OPSET = 18
_UNFITTED_THRESHOLD = 0.5


class ExportError(RuntimeError):
    """Nothing was released; the message says why."""


def export(
    checkpoint: Path, out: Path, name: str | None, version: str, report: Mapping[str, Any], remark: str = ""
) -> Path:
    """Make `out/<name>-<version>/`, complete and checked, in one move.

    Args:
        checkpoint: A training run's state; its averaged networks are exported.
        out: Where releases lie.
        name: Of the release; None takes the configuration's.
        version: Three numbers.
        report: What `evaluate` found, for threshold, numbers and card; may be empty.
        remark: What the recipe does not say of this run, for the card.

    Raises:
        ExportError: The release exists already, for releases are immutable; g_gamma is not trained yet, or the report
            is none of `evaluate`.
        ParityError: The exported file is not the module; nothing is written.
        CheckpointError, ManifestError: The checkpoint or the name or version is not what it must be.
    """
    found = checkpoints.load(checkpoint)
    # Before minutes of proofs.
    expect_possible(name or found.config.name, version, report.get("threshold", _UNFITTED_THRESHOLD))
    _expect_promises(report)
    _require_estimator(checkpoint, found)
    segmenter, config = load_segmenter(checkpoint)
    _calibrate(segmenter, report)
    if _novelty_limit(report) is not None and not segmenter.novelty.fitted:
        raise ExportError(
            f"{checkpoint}: knows no novelty, which the evaluation tells; run its `train` command again, to the end"
        )
    segmenter.novelty.fitted &= _novelty_limit(report) is not None
    folder = out / f"{name or config.name}-{version}"
    if folder.exists():
        raise ExportError(f"{folder}: exists already, and a release is immutable; choose another --version")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as unfinished:
        made = Path(unfinished) / folder.name
        (made / "golden").mkdir(parents=True)
        _write_release(made, segmenter, config, name or config.name, version, report, _cut_short(found) + remark)
        shutil.move(made, folder)
    return folder


def to_onnx(segmenter: SmokeSegmenter, path: Path, size_px: int) -> None:
    """Trace the deployed module into one file with a dynamic batch. Put it in evaluation mode first."""
    # A batch of 1 would be specialised: traced at 2, the batch stays free.
    frames = torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        segmenter,
        (frames,),
        input_names=["frame"],
        output_names=[*OUTPUTS, *[NOVELTY] * segmenter.novelty.fitted],
        dynamic_shapes={"frame": {0: torch.export.Dim("batch", min=1, max=1024)}},
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # noqa: S101 - tells mypy that the exporter in use returns a program
    onnx.save(_without_traces(program.model_proto), path)


def golden_frame() -> RGB:
    """The project's own picture: a plume over ridges, (480, 640, 3) uint8 RGB, the same at every call."""
    rng = np.random.default_rng(_GOLDEN_SEED)
    landscape = render_landscape(rng, *_GOLDEN_SIZE_PX)
    return add_smoke(landscape, render_plume(rng, *_GOLDEN_SIZE_PX, 0.35), rng)[0]


def save_golden_maps(path: Path, maps: Mapping[str, Map]) -> None:
    """Write expected maps (h, w) by output, rounded to 1 / 512 so that what is all but 0 takes no room: a tenth of the tolerance."""
    rounded: dict[str, Any] = {
        name: (np.round(values * 512.0) / 512.0).astype(np.float16) for name, values in maps.items()
    }
    np.savez_compressed(path, **rounded)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without the exporter's notes on where each node came from: they are large, and name folders of this machine."""
    for part in (*model.graph.node, *model.graph.value_info, model.graph, model):
        del part.metadata_props[:]
    return model


def _require_estimator(checkpoint: Path, found: checkpoints.Checkpoint) -> None:
    """Raise ExportError unless it is a network of ours, whose g_gamma has had its phase, or steps beside the generator alone."""
    phase, library = found.phase, found.config.network.library
    if library:
        raise ExportError(
            f"{checkpoint}: found network {library!r}, which is there to compare with; expected network.library empty"
        )
    if phase != "estimator" and found.config.estimator.stages:
        raise ExportError(
            f"{checkpoint}: stands in phase {phase!r}, where g_gamma is not trained; expected 'estimator'"
        )


def _cut_short(found: checkpoints.Checkpoint) -> str:
    """What the card says of a run that was exported before its last step; nothing of a complete one."""
    return (
        f"Exported before the run's end, after {found.step:,} of the {found.steps:,} steps of phase {found.phase}.\n"
        if found.step < found.steps
        else ""
    )


def _calibrate(segmenter: SmokeSegmenter, report: Mapping[str, Any]) -> None:
    """Put the calibration that `evaluate` fitted into the module."""
    fitted = _calibration(report)
    segmenter.temperature.fill_(fitted.temperature)
    segmenter.shift.fill_(fitted.shift)
    segmenter.above.fill_(fitted.above)


def _expect_promises(report: Mapping[str, Any]) -> None:
    """Raises ExportError where a manifest cannot take what the report says, before minutes of proofs."""
    try:
        _calibration(report), _gate(report), _operating_points(report), _reference(report), _novelty_limit(report)
        _close_ups(report)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"the evaluation is none that `evaluate` wrote: {error}") from error


def _calibration(report: Mapping[str, Any]) -> Calibration:
    fitted = Calibration(**report.get("calibration", {}))
    if not (0.0 < fitted.temperature < math.inf and 0.0 < fitted.above < math.inf and math.isfinite(fitted.shift)):
        raise ValueError(f"found {fitted}, expected temperatures above 0 and a finite shift")
    return fitted


def _write_release(
    folder: Path,
    segmenter: SmokeSegmenter,
    config: Config,
    name: str,
    version: str,
    report: Mapping[str, Any],
    remark: str,
) -> None:
    size_px = config.data.size_px
    to_onnx(segmenter, folder / MODEL, size_px)
    differences = parity.check(segmenter, folder / MODEL, size_px)
    provenance = {"configuration_sha256": config.sha256(), "configuration": _shown(config)}
    threshold = float(report.get("threshold", _UNFITTED_THRESHOLD))
    _write_golden(folder, size_px, threshold)
    card = model_card(f"{name}-{version}", config, threshold, differences, report, remark)
    (folder / CARD).write_text(card, encoding="utf-8")
    Manifest(
        name=name,
        version=version,
        files={file: describe(folder / file) for file in (MODEL, CARD, GOLDEN_FRAME, GOLDEN_MAPS, GOLDEN_ANSWER)},
        models={"fp32": MODEL},
        golden=Golden(GOLDEN_FRAME, GOLDEN_MAPS, GOLDEN_TOLERANCE),
        threshold=threshold,
        minimum_region=float(report.get("minimum_region", MINIMUM_REGION)),
        input=Input(size_px=size_px),
        parity=differences,
        numbers={
            key: report[key]
            for key in ("at_threshold", "cross_fitted", "f_beta", "ece", "ece_unsure", "calibration", "doubt")
            if key in report
        },
        provenance=provenance,
        gate=_gate(report),
        operating_points=_operating_points(report),
        reference=_reference(report),
        novelty_limit=_novelty_limit(report),
        close_ups=_close_ups(report),
    ).write(folder)


def _gate(report: Mapping[str, Any]) -> Gate | None:
    """The gate that `evaluate` fitted; None where none is worth having, or nothing was evaluated."""
    fitted = report.get("gate", {}).get("gate")
    return Gate.from_json(fitted) if fitted else None


def _operating_points(report: Mapping[str, Any]) -> OperatingPoints | None:
    """What `evaluate` measured of every threshold; None where it had no smoke-free frames."""
    measured = report.get("operating_points")
    return OperatingPoints.from_json(measured) if measured else None


def _novelty_limit(report: Mapping[str, Any]) -> float | None:
    """Above which novelty a frame is unfamiliar; None where nothing was evaluated, or the model tells none."""
    measured = report.get("novelty")
    return float(measured["limit"]) if measured else None


def _close_ups(report: Mapping[str, Any]) -> CloseUps | None:
    """The close-ups that the evaluation looked at; None where it looked at none, or nothing was evaluated."""
    measured = report.get("close_ups")
    return CloseUps.from_json(measured) if measured else None


def _reference(report: Mapping[str, Any]) -> dict[str, Histogram] | None:
    """How the frames were distributed that were evaluated."""
    return {name: Histogram.from_json(found) for name, found in report.get("reference", {}).items()} or None


def _shown(config: Config) -> dict[str, Any]:
    """The configuration without the folders of the machine it ran on."""
    values: dict[str, Any] = json.loads(config.model_dump_json())
    values["initial"] = [Path(path).name for path in config.initial]
    values["estimator"]["members"] = [Path(path).name for path in config.estimator.members]
    values["network"]["encoder_weights"] = Path(config.network.encoder_weights).name
    return values


def _write_golden(folder: Path, size_px: int, threshold: float) -> None:
    """The golden frame, what onnxruntime makes of it as the service will see it, and a picture of that for people."""
    frame = golden_frame()
    maps = SegmentationMaps.of([values[0] for values in OnnxModel(folder / MODEL).run(fit(frame, size_px)[None])])
    save_golden_maps(folder / GOLDEN_MAPS, dict(zip(OUTPUTS, maps.maps, strict=True)))
    write_png(frame, folder / GOLDEN_FRAME, smallest=True)
    write_png(answer_panel(frame, maps, threshold), folder / GOLDEN_ANSWER, smallest=True)
