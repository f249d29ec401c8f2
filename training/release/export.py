"""Checkpoint -> release folder with a proven model file, a golden frame, a manifest and a model card; or nothing."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from models.geometry import RGB, Map, fit
from models.manifest import (
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
from training.config import Config
from training.data.frames import write_png
from training.data.synthetic import add_smoke, render_landscape, render_plume
from training.engine import checkpoint as checkpoints
from training.engine.networks import load_segmenter
from training.engine.onnx_model import OnnxModel
from training.evaluation.pictures import answer_panel
from training.release import parity
from training.release.model_card import model_card
from training.release.promises import Promises, promises_of

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
    promised = _promises(report)
    _require_estimator(checkpoint, found)
    segmenter, config = load_segmenter(checkpoint)
    _keep(promised, segmenter, checkpoint)
    folder = out / f"{name or config.name}-{version}"
    if folder.exists():
        raise ExportError(f"{folder}: exists already, and a release is immutable; choose another --version")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as unfinished:
        made = Path(unfinished) / folder.name
        (made / "golden").mkdir(parents=True)
        remark = _cut_short(found) + remark
        _write_release(made, segmenter, config, name or config.name, version, report, promised, remark)
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


def _promises(report: Mapping[str, Any]) -> Promises:
    """What the report lets a manifest promise. Raises ExportError where it is no report."""
    try:
        return promises_of(report)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"the evaluation is none that `evaluate` wrote: {error}") from error


def _keep(promised: Promises, segmenter: SmokeSegmenter, checkpoint: Path) -> None:
    """Put the calibration that `evaluate` fitted into the module, which tells novelty where there is a limit for it.

    Raises ExportError where it knows none.
    """
    segmenter.temperature.fill_(promised.calibration.temperature)
    segmenter.shift.fill_(promised.calibration.shift)
    segmenter.above.fill_(promised.calibration.above)
    if promised.novelty_limit is not None and not segmenter.novelty.fitted:
        raise ExportError(
            f"{checkpoint}: knows no novelty, which the evaluation tells; run its `train` command again, to the end"
        )
    segmenter.novelty.fitted &= promised.novelty_limit is not None


def _write_release(
    folder: Path,
    segmenter: SmokeSegmenter,
    config: Config,
    name: str,
    version: str,
    report: Mapping[str, Any],
    promised: Promises,
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
        minimum_region=promised.minimum_region,
        input=Input(size_px=size_px),
        parity=differences,
        numbers=promised.numbers,
        provenance=provenance,
        gate=promised.gate,
        operating_points=promised.operating_points,
        reference=promised.reference,
        novelty_limit=promised.novelty_limit,
        close_ups=promised.close_ups,
    ).write(folder)


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
