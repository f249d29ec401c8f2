"""A release -> the same with an int8 model beside its fp32 one, where that is worth having; in one move or not at all."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.geometry import RGB
from models.golden import read
from models.manifest import OUTPUTS, Golden, Manifest, describe
from training.data.folders import Folders, frames_to_score, read_frames
from training.data.frames import Frame
from training.engine.onnx_model import OnnxModel
from training.release.export import CARD, GOLDEN_TOLERANCE, save_golden_maps
from training.release.int8.criteria import Criterion, as_numbers, calibration_frames, compare_precisions, fitted, table
from training.release.int8.quantise import QuantiseError, quantise

INT8, INT8_GOLDEN_MAPS = "model.int8.onnx", "golden/maps.int8.npz"


def quantised_release(
    release: Path, data: Folders, out: Path | None, count: int, float_features: Sequence[int] = (1, 2)
) -> tuple[list[Criterion], Path | None]:
    """Quantise a release's model, measure it on `val`, and where every criterion holds write the release with both.

    Args:
        release: Its folder.
        data: Data folder or folders: `train` calibrates, `val` measures.
        out: Where the folder of the same name is made; None only measures.
        count: Frames that activations are calibrated on.
        float_features: See `quantise`; at least one, and one after the other is tried until all holds.

    Returns:
        The criteria of the last that was tried, and the folder that was made, if any.

    Raises:
        QuantiseError: The folder to make exists already, there are too few frames, or the graph is of another kind.
        DataError, ManifestError: The data folder or the release is not what it must be.
    """
    manifest = Manifest.read(release)
    manifest.verify(release)
    if out is not None and (out / release.name).exists():
        raise QuantiseError(f"{out / release.name}: exists already, and a release is immutable; choose another --out")
    frames, scored = _frames_to_calibrate_on(data, count), frames_to_score(data, "val", None)
    fp32 = release / manifest.models["fp32"]
    with tempfile.TemporaryDirectory() as work:
        int8 = Path(work) / INT8
        for kept in float_features:
            fed = fitted(frames, manifest.input.size_px)
            # A release runs on processors that its maker has not seen, so its weights have seven bits: see `quantise`.
            quantise(fp32, fed, int8, reduce_range=True, float_features=kept)
            criteria = compare_precisions(manifest, fp32, int8, scored)
            if all(criterion.holds for criterion in criteria):
                said = section(criteria, count, kept)
                return criteria, _written(release, manifest, int8, out, criteria, said) if out else None
    return criteria, None


def section(criteria: Sequence[Criterion], calibrated_on: int, float_features: int) -> str:
    """What the model card says of the int8 model."""
    return (
        f"\n## int8\n`{INT8}`: QDQ, weights per channel in seven bits, so that processors without VNNI answer alike, activations in\n"
        f"eight, calibrated on {calibrated_on} frames of train from all of its camera groups. In float:\n"
        f"the encoder up to feature f{float_features}, g_gamma's first layer, the last layers of both heads. Measured on val on one\n"
        "machine; F-beta at the released threshold; the rank correlation is with fp32,\n"
        f"over the pixels whose total exceeds .05 nats.\n\n{table(criteria)}\n"
    )


def _frames_to_calibrate_on(data: Folders, count: int) -> list[Frame]:
    frames = calibration_frames(read_frames(data, "train"), count)
    if len(frames) < count:
        raise QuantiseError(f"found {len(frames)} real frames to calibrate on, expected {count}")
    return frames


def _written(
    release: Path, manifest: Manifest, int8: Path, out: Path, criteria: Sequence[Criterion], said: str
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as unfinished:
        made = Path(shutil.copytree(release, Path(unfinished) / release.name))
        shutil.copy(int8, made / INT8)
        golden = _write_golden(made, manifest)
        with (made / CARD).open("a", encoding="utf-8") as card:
            card.write(said)
        replace(
            manifest,
            models={**manifest.models, "int8": INT8},
            goldens={**manifest.goldens, "int8": golden},
            files={file: describe(made / file) for file in (*manifest.files, INT8, INT8_GOLDEN_MAPS)},
            numbers={**manifest.numbers, "int8": as_numbers(criteria)},
        ).write(made)
        shutil.move(made, out / release.name)
    return out / release.name


def _write_golden(folder: Path, manifest: Manifest) -> Golden:
    """What the int8 model makes of the golden frame, and how far another processor's answer may be from it.

    Rounding to whole steps multiplies the last bit: between onnxruntime's fused integer kernels and the same graph run operator by
    operator in float lies what may lie between two processors. Twice that is allowed.
    """
    frame = read(folder, manifest.golden, manifest.input.size_px)[0]
    fused, apart = (_maps(OnnxModel(folder / INT8, optimised=optimised), frame) for optimised in (True, False))
    save_golden_maps(folder / INT8_GOLDEN_MAPS, fused)
    furthest = max(float(np.abs(fused[name] - apart[name]).max()) for name in OUTPUTS)
    return Golden(manifest.golden.frame, INT8_GOLDEN_MAPS, max(GOLDEN_TOLERANCE, 2.0 * furthest))


def _maps(model: OnnxModel, frame: RGB) -> dict[str, npt.NDArray[np.float32]]:
    found = model.run(np.ascontiguousarray(frame)[None])
    return {name: values[0] for name, values in zip(OUTPUTS, found, strict=True)}
