"""The deployed graph as a function of one frame, whether torch runs it or onnxruntime."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from models.close_ups import CloseUps, close_ups
from models.geometry import RGB, fit
from models.manifest import MINIMUM_REGION, Manifest, ManifestError, describe
from models.maps import SegmentationMaps
from models.networks.segmenter import SmokeSegmenter
from models.tile_layout import Tiles
from models.tiles import merge, views, worth_tiling
from training.engine.networks import load_segmenter
from training.engine.onnx_model import OnnxModel
from training.metrics.calibration import Calibration, change_logits

Predict = Callable[[RGB], SegmentationMaps]
"""A frame fitted to the model's square (size, size, 3) uint8 -> its maps."""


_NEAR_REGION = MINIMUM_REGION / 2
"""Smallest region that counts where small ones are looked at once more: from nearby its outline is tighter, and fewer are false."""


class Predictor(NamedTuple):
    """A model ready to be scored.

    Attributes:
        predict: The deployed graph.
        size_px: Side of its square.
        minimum_region: Smallest region that counts, as a fraction of the frame.
        threshold: The released one; None for a checkpoint, which has none.
        false_alarms: Image-level rate that a fitted threshold keeps where it can.
        description: What it is, for reports.
        calibration: What the shown probability is calibrated by; None where that is not known.
        tiles: Those that are looked at beside the whole frame; then there are no close-ups.
        sha256: Of the checkpoint file, or of the release's fp32 model: what identifies the weights.
        folds: How many runs of `train --folds` answer in its place, see `training.commands.studies.folds`; 0: none.
        close_ups: How small smoke is looked at once more; None: not at all.
    """

    predict: Predict
    size_px: int
    minimum_region: float
    threshold: float | None
    description: str
    false_alarms: float = 0.05
    calibration: Calibration | None = None
    tiles: Tiles | None = None
    sha256: str = ""
    folds: int = 0
    close_ups: CloseUps | None = None


def looking_closer(checkpoint: Predictor) -> Predictor:
    """The model of a checkpoint as it is to be released: with close-ups."""
    return checkpoint._replace(close_ups=CloseUps(), minimum_region=_NEAR_REGION)


def predict_frame(model: Predictor, image: RGB) -> SegmentationMaps:
    """The maps of a frame (height, width, 3) uint8 RGB, as the service answers: with tiles or close-ups where they show more."""
    height, width = image.shape[:2]
    if model.tiles and worth_tiling(width, height, model.size_px):
        return merge([model.predict(view) for view in views(image, model.size_px)])
    whole = model.predict(fit(image, model.size_px))
    if model.close_ups is None:
        return whole
    windows = model.close_ups.windows(whole.probability, width, height)
    return model.close_ups.merge(
        whole, windows, [model.predict(view) for view in close_ups(image, windows, model.size_px)]
    )


def torch_predictor(segmenter: SmokeSegmenter) -> Predict:
    """The deployed module, one frame at a time. Put it in evaluation mode first."""
    device = segmenter.temperature.device

    @torch.inference_mode()
    def predict(frame: RGB) -> SegmentationMaps:
        batch = torch.from_numpy(np.ascontiguousarray(frame))[None].to(device)
        answer = [output for output in segmenter(batch) if output is not None]
        return SegmentationMaps.of([np.asarray(output[0].cpu().numpy(), np.float32) for output in answer])

    return predict


def onnx_predictor(model: OnnxModel) -> Predict:
    """The released graph on onnxruntime, one frame at a time."""

    def predict(frame: RGB) -> SegmentationMaps:
        return SegmentationMaps.of([output[0] for output in model.run(np.ascontiguousarray(frame)[None])])

    return predict


def calibrated(predict: Predict, calibration: Calibration) -> Predict:
    """The same graph with a calibrated probability, as `export` writes it into the graph."""

    def shown(frame: RGB) -> SegmentationMaps:
        maps = predict(frame)
        return maps._replace(probability=change_logits(maps.probability, calibration.calibrated))

    return shown


def frame_key(frame: RGB) -> bytes:
    """What tells a fitted frame from every other."""
    return hashlib.sha256(frame.tobytes()).digest()


def cached(predict: Predict) -> Predict:
    """The same graph, run once on each frame: 3.7 MB a frame of 480 x 480 are kept for the next time it is asked for."""
    kept: dict[bytes, SegmentationMaps] = {}

    def recalled(frame: RGB) -> SegmentationMaps:
        key = frame_key(frame)
        if key not in kept:
            kept[key] = predict(frame)
        return kept[key]

    return recalled


def load_predictor(path: Path, precision: str = "fp32") -> Predictor:
    """A checkpoint file on torch, or a release folder, verified, on onnxruntime in one of its precisions.

    Raises:
        CheckpointError: The file is no checkpoint.
        ManifestError: The folder is no release, breaks its promise, or has no model of that precision.
    """
    if path.is_dir():
        return _released(path, precision)
    sha256 = sha256_of(path)
    segmenter, config = load_segmenter(path)
    segmenter = segmenter.to(memory_format=torch.channels_last)
    predict, name = torch_predictor(segmenter), f"checkpoint {path.name}"
    return Predictor(predict, config.data.size_px, MINIMUM_REGION, None, name, config.false_alarms, sha256=sha256)


def _released(folder: Path, precision: str) -> Predictor:
    manifest = Manifest.read(folder)
    manifest.verify(folder)
    if precision not in manifest.models:
        raise ManifestError(f"{folder}: found models {', '.join(manifest.models)}, expected {precision} among them")
    return Predictor(
        onnx_predictor(OnnxModel(folder / manifest.models[precision])),
        manifest.input.size_px,
        manifest.minimum_region,
        manifest.threshold,
        f"{manifest.name}-{manifest.version}{'' if precision == 'fp32' else f' in {precision}'}",
        calibration=_calibration_of(manifest),
        sha256=manifest.sha256,
        close_ups=manifest.close_ups,
    )


def sha256_of(checkpoint: Path) -> str:
    """What identifies its weights; empty where there is no such file."""
    return describe(checkpoint).sha256 if checkpoint.is_file() else ""


def _calibration_of(manifest: Manifest) -> Calibration | None:
    """What its evaluation fitted and `export` put into the graph."""
    fitted = manifest.numbers.get("calibration")
    return Calibration(**{name: float(value) for name, value in fitted.items()}) if fitted else None
