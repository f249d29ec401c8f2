"""A released model file -> the networks it was exported from, so that training goes on from what ships.

The exporter folds a batch normalisation into the convolution before it: w' = w g / s, b' = b - m g / s. The fold cannot be undone, but
there is a normalisation that changes nothing now and learns from here on, with the mean m' and deviation s' of w' * x over some frames:

    g = s',   b = b' + m'   =>   g (w' * x - m') / s' + b = w' * x + b'
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.geometry import fit
from models.manifest import OUTPUTS, Manifest
from models.networks.generator import MODULATION
from models.networks.segmenter import SmokeSegmenter
from training.engine.checkpoint import CheckpointError
from training.engine.onnx_model import OnnxModel

_TOLERANCE = 1e-3
_LEAST_DEVIATION = 1e-3
"""Of a channel that is all but constant over the frames."""
_UNRELEASED = ("inference_model.log_variance.", "generator.deep_feature_norm.")
"""What no release holds: sigma, which the deployed graph does not draw from, and a normalisation that went into the encoder."""

Pair = tuple[str, str]
"""A convolution and the normalisation of its output, by name."""


def fill_from_release(segmenter: SmokeSegmenter, folder: Path, frames: Tensor) -> None:
    """Copy the fp32 model of a release into networks of the same shape, in place.

    Args:
        segmenter: As built from the configuration that the release names.
        folder: Of the release.
        frames: (batch, size, size, 3) uint8, some that training will see: for the statistics of the normalisations. Their size may
            be another than the release's: training goes on at that.

    Raises:
        ManifestError: The folder is no release, or breaks its promise.
        CheckpointError: The release is of other networks.
    """
    manifest = Manifest.read(folder)
    manifest.verify(folder)
    file = folder / manifest.models["fp32"]
    graph = onnx.load(file).graph
    tensors = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    segmenter.eval()
    pairs = [pair for pair in _pairs(segmenter, frames) if f"{pair[0]}.weight_bias" in tensors]
    _copy(segmenter, _whole(segmenter, graph, tensors), pairs, file)
    segmenter.generator.deep_feature_norm.reset_running_stats()  # it is in the encoder now, whoever filled the networks before
    _put_back_norms(segmenter, frames, {norm: tensors[f"{conv}.weight_bias"] for conv, norm in pairs}, pairs)
    asked = np.stack([fit(frame, manifest.input.size_px) for frame in frames[:2].numpy()])
    _require_same_answers(segmenter, OnnxModel(file), torch.from_numpy(asked), manifest, file)


def _pairs(segmenter: SmokeSegmenter, frames: Tensor) -> list[Pair]:
    """Every batch normalisation that takes what a convolution gives, with that convolution, in the order in which they run."""
    convolved: dict[int, tuple[str, Tensor]] = {}  # by identity; the tensor is held so that no other gets its identity
    pairs: list[Pair] = []

    def remember(name: str) -> Callable[..., None]:
        return lambda _, __, output: convolved.update({id(output): (name, output)})

    def match(name: str) -> Callable[..., None]:
        return lambda _, inputs: (
            pairs.append((convolved[id(inputs[0])][0], name)) if id(inputs[0]) in convolved else None
        )

    with ExitStack() as stack, torch.no_grad():
        for name, module in segmenter.named_modules():
            if isinstance(module, nn.Conv2d):
                stack.callback(module.register_forward_hook(remember(name)).remove)
            elif isinstance(module, nn.BatchNorm2d):
                stack.callback(module.register_forward_pre_hook(match(name)).remove)
        segmenter(frames[:1])
    return pairs


def _whole(segmenter: SmokeSegmenter, graph: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ANN401
    """The release's tensors by the networks' names: those that DenseASPP and the head apply part by part are put together.

    Where the parts do not fit, the release is of other networks; such a tensor is then missing in what is returned.
    """
    parts = _parts_in_order(graph, tensors)
    found = dict(tensors)
    for name, parameter in segmenter.named_parameters():
        if name in tensors or parameter.ndim < 4:
            continue
        taps = name == "generator.head.weight"
        outputs, inputs = (9 if taps else parameter.shape[0]), parameter.shape[1]
        pieces: list[Tensor] = []
        while sum(piece.shape[1] for piece in pieces) < inputs and (piece := next(parts, None)) is not None:
            pieces.append(piece)
        if {piece.shape[0] for piece in pieces} == {outputs} and sum(piece.shape[1] for piece in pieces) == inputs:
            joined = torch.cat(pieces, dim=1)
            found[name] = joined.reshape(1, 3, 3, -1).permute(0, 3, 1, 2).contiguous() if taps else joined
    return found


def _parts_in_order(graph: Any, tensors: Mapping[str, Tensor]) -> Iterator[Tensor]:  # noqa: ANN401
    """The weights that the exporter cut out of larger ones, as the graph applies them."""
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1].startswith("slice_"):
            yield tensors[node.input[1]]


def _copy(segmenter: SmokeSegmenter, found: Mapping[str, Tensor], pairs: Sequence[Pair], file: Path) -> None:
    """Fill in what the release holds. Raises CheckpointError where a tensor is missing or has another shape."""
    put_back = {f"{norm}." for _, norm in pairs}
    own = {
        name: value
        for name, value in segmenter.state_dict().items()
        if not name.startswith(_UNRELEASED) and not name.endswith("num_batches_tracked")
    }
    expected = [name for name in own if name.rpartition(".")[0] + "." not in put_back]
    held = [name for name in expected if name in found or not name.startswith(MODULATION)]
    wrong = [name for name in held if name not in found or found[name].shape != own[name].shape]
    if wrong:
        raise CheckpointError(f"{file}: of other networks: {len(wrong)} tensors differ, the first is {wrong[0]!r}")
    segmenter.load_state_dict({name: found[name] for name in held}, strict=False)


def _put_back_norms(
    segmenter: SmokeSegmenter, frames: Tensor, biases: Mapping[str, Tensor], pairs: Sequence[Pair]
) -> None:
    """Normalisations that change nothing: g = s', b = b' + m', see the head of this file."""
    modules = dict(segmenter.named_modules())
    for norm, bias in biases.items():
        _set_norm(modules[norm], torch.zeros_like(bias), torch.ones_like(bias), bias)
    statistics = _statistics(segmenter, frames, [conv for conv, _ in pairs])
    for conv, norm in pairs:
        mean, deviation = statistics[conv]
        _set_norm(modules[norm], mean, deviation, biases[norm] + mean)


def _set_norm(norm: nn.Module, mean: Tensor, deviation: Tensor, bias: Tensor) -> None:
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101 - for mypy
    with torch.no_grad():
        norm.running_mean = mean.clone()
        norm.running_var = deviation**2
        norm.weight.copy_((deviation**2 + norm.eps).sqrt())
        norm.bias.copy_(bias)


@torch.no_grad()
def _statistics(segmenter: SmokeSegmenter, frames: Tensor, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of each convolution's output channels over the frames."""
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def measure(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            deviation, mean = torch.std_mean(output, dim=(0, 2, 3))
            found[name] = mean, deviation.clamp(min=_LEAST_DEVIATION)

        return hook

    modules = dict(segmenter.named_modules())
    with ExitStack() as stack:
        for name in names:
            stack.callback(modules[name].register_forward_hook(measure(name)).remove)
        segmenter(frames)
    return found


@torch.no_grad()
def _require_same_answers(
    segmenter: SmokeSegmenter, released: OnnxModel, frames: Tensor, manifest: Manifest, file: Path
) -> None:
    """Raises CheckpointError where the networks answer otherwise than the release, which is calibrated; they are not, afterwards."""
    fitted = manifest.numbers.get("calibration") or {}
    segmenter.shift.fill_(float(fitted.get("shift", 0.0)))
    segmenter.above.fill_(float(fitted.get("above", 1.0)))
    answers = zip(OUTPUTS, segmenter(frames), released.run(frames.numpy()), strict=False)
    far = {name: float(np.abs(own.numpy() - theirs).max()) for name, own, theirs in answers}
    segmenter.shift.zero_()
    for scale in (segmenter.temperature, segmenter.above):
        scale.fill_(1.0)
    if max(far.values()) > _TOLERANCE:
        raise CheckpointError(f"{file}: rebuilt networks answer otherwise: {far}, expected at most {_TOLERANCE}")
