"""A release -> the same with a second model beside its fp32 one, where that is worth having; in one move or not at all."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.geometry import RGB, Map
from models.golden import read
from models.manifest import OUTPUTS, Golden, Manifest, describe
from training.data.folders import Folders, frames_to_score, read_frames
from training.engine.onnx_model import OnnxModel
from training.release.criteria import BOUNDS, Criterion, as_numbers, compare_precisions, table
from training.release.export import CARD, GOLDEN_TOLERANCE, save_golden_maps
from training.release.fp16 import to_fp16
from training.release.graph import QuantiseError
from training.release.int8.calibration import calibration_frames, fitted
from training.release.int8.quantise import quantise

INT8_GOLDEN_MAPS = "golden/maps.int8.npz"


@dataclass(frozen=True, slots=True)
class SecondModel:
    """How a model of another precision is made.

    Attributes:
        precision: As the manifest names it.
        make: Float model, side of its square, file -> writes the file and says how, for the card; once for each way that is tried.
        golden: Release that holds the file, its manifest, the file -> what is expected of it.
    """

    precision: str
    make: Callable[[Path, int, Path], Iterator[str]]
    golden: Callable[[Path, Manifest, Path], Golden]

    @property
    def file(self) -> str:
        """Its file in a release."""
        return f"model.{self.precision}.onnx"


def fp16() -> SecondModel:
    """A model for GPUs."""
    return SecondModel("fp16", _make_fp16, _fp16_golden)


def int8(data: Folders, count: int, float_features: Sequence[int] = (1, 2)) -> SecondModel:
    """A model for CPUs.

    Args:
        data: Data folder or folders: `train` calibrates.
        count: Frames that activations are calibrated on.
        float_features: See `quantise`; at least one, and one after the other is tried.
    """

    def make(fp32: Path, size_px: int, file: Path) -> Iterator[str]:
        frames = calibration_frames(read_frames(data, "train"), count)
        if len(frames) < count:
            raise QuantiseError(f"found {len(frames)} real frames to calibrate on, expected {count}")
        for kept in float_features:
            # A release runs on processors that its maker has not seen, so its weights have seven bits: see `quantise`.
            quantise(fp32, fitted(frames, size_px), file, reduce_range=True, float_features=kept)
            yield (
                "QDQ, weights per channel in seven bits, so that processors without VNNI answer alike, activations in eight,\n"
                f"calibrated on {count} frames of train from all of its camera groups. In float: the encoder up to feature f{kept},\n"
                "g_gamma's first layer, the last layers of both heads."
            )

    return SecondModel("int8", make, _int8_golden)


def release_with(
    second: SecondModel, release: Path, data: Folders, out: Path | None
) -> tuple[list[Criterion], Path | None]:
    """Make a second model, measure it on `val`, and where every criterion holds write the release with both.

    Args:
        second: How it is made.
        release: Its folder.
        data: Data folder or folders: `val` measures.
        out: Where the folder of the same name is made; None only measures.

    Returns:
        The criteria of the last that was tried, and the folder that was made, if any.

    Raises:
        QuantiseError: The folder to make exists already, the release has such a model, there are too few frames, or the graph is of
            another kind.
        DataError, ManifestError: The data folder or the release is not what it must be.
    """
    manifest = Manifest.read(release)
    manifest.verify(release)
    if out is not None and (out / release.name).exists():
        raise QuantiseError(f"{out / release.name}: exists already, and a release is immutable; choose another --out")
    if second.precision in manifest.models:
        raise QuantiseError(f"{release}: found models {', '.join(manifest.models)}, expected no {second.precision} yet")
    scored = frames_to_score(data, "val", None)
    fp32 = release / manifest.models["fp32"]
    criteria: list[Criterion] = []
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / second.file
        for how in second.make(fp32, manifest.input.size_px, file):
            criteria = compare_precisions(manifest, fp32, file, scored, BOUNDS[second.precision])
            if all(criterion.holds for criterion in criteria):
                return criteria, _written(release, second, file, out, criteria, how) if out else None
    return criteria, None


def section(second: SecondModel, criteria: Sequence[Criterion], how: str) -> str:
    """What the model card says of a second model."""
    return (
        f"\n## {second.precision}\n`{second.file}`: {how}\nMeasured on val on one machine; F-beta at the released threshold; the rank\n"
        "correlation is with fp32, on whole frames, over the pixels whose total exceeds .05 nats.\n\n"
        f"{table(criteria, second.precision)}\n"
    )


def _make_fp16(fp32: Path, _size_px: int, file: Path) -> Iterator[str]:
    to_fp16(fp32, file)
    yield (
        "for GPUs; its speed is not measured on a GPU. In float: the frame's normalisation, means over the image, every sigmoid\n"
        "and entropy, and what follows the last layers of all heads. Its answers are those of a CPU, rounded after each operator."
    )


def _written(
    release: Path, second: SecondModel, file: Path, out: Path, criteria: Sequence[Criterion], how: str
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as unfinished:
        made = Path(shutil.copytree(release, Path(unfinished) / release.name))
        shutil.copy(file, made / second.file)
        manifest = Manifest.read(made)
        golden = second.golden(made, manifest, made / second.file)
        with (made / CARD).open("a", encoding="utf-8") as card:
            card.write(section(second, criteria, how))
        replace(
            manifest,
            models={**manifest.models, second.precision: second.file},
            goldens={**manifest.goldens, second.precision: golden},
            files={name: describe(made / name) for name in (*manifest.files, second.file, golden.maps)},
            numbers={**manifest.numbers, second.precision: as_numbers(criteria)},
        ).write(made)
        shutil.move(made, out / release.name)
    return out / release.name


def _fp16_golden(folder: Path, manifest: Manifest, file: Path) -> Golden:
    """What the fp32 model makes of the golden frame, and twice as far from it as the fp16 model is here.

    A GPU rounds as often and as finely as this CPU, but not always to the same side.
    """
    frame, expected = read(folder, manifest.golden, manifest.input.size_px)
    furthest = _distance(_maps(OnnxModel(file), frame), expected)
    return replace(manifest.golden, tolerance=max(GOLDEN_TOLERANCE, 2.0 * furthest))


def _int8_golden(folder: Path, manifest: Manifest, file: Path) -> Golden:
    """What the int8 model makes of the golden frame, and how far another processor's answer may be from it.

    Rounding to whole steps multiplies the last bit: between onnxruntime's fused integer kernels and the same graph run operator by
    operator in float lies what may lie between two processors. Twice that is allowed.
    """
    frame = read(folder, manifest.golden, manifest.input.size_px)[0]
    fused, apart = (_maps(OnnxModel(file, optimised=optimised), frame) for optimised in (True, False))
    save_golden_maps(folder / INT8_GOLDEN_MAPS, fused)
    return Golden(manifest.golden.frame, INT8_GOLDEN_MAPS, max(GOLDEN_TOLERANCE, 2.0 * _distance(fused, apart)))


def _distance(maps: dict[str, Map], others: dict[str, Map]) -> float:
    """The furthest that any value of any output is from that of the other."""
    return max(float(np.abs(maps[name] - others[name]).max()) for name in OUTPUTS)


def _maps(model: OnnxModel, frame: RGB) -> dict[str, Map]:
    found = model.run(np.ascontiguousarray(frame)[None])
    return {name: values[0] for name, values in zip(OUTPUTS, found, strict=False)}
