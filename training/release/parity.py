"""Holds the exported file against the torch module it came from: outputs, names, axes, operators and the identity of doubt."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch

from models.manifest import NOVELTY, OUTPUTS
from models.networks.segmenter import SmokeSegmenter
from training.data.synthetic import add_smoke, render_landscape, render_plume
from training.engine.onnx_model import Frames, OnnxModel

TOLERANCE = 1e-4
IDENTITY_TOLERANCE = 1e-6
BATCHES = (1, 3, 8)
_RANDOM_OPERATORS = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
    "Dropout",
}


class ParityError(RuntimeError):
    """The exported file is not the module it came from; the message says what was found and what was expected."""


def check(segmenter: SmokeSegmenter, path: Path, size_px: int) -> Mapping[str, float]:
    """Check a file completely and return the largest absolute difference per output, in the output's unit; of novelty, over 1 + itself.

    Args:
        segmenter: The module, in evaluation mode.
        path: The exported file.
        size_px: Side of its square.

    Raises:
        ParityError: Any check fails.
    """
    _check_graph(onnx.load(path, load_external_data=False))
    model = OnnxModel(path)
    names = (*OUTPUTS, NOVELTY)[: len(_answer(segmenter, render_frames(size_px, 1)))]
    _check_signature(model, size_px, names)
    worst = dict.fromkeys(names, 0.0)
    for name, frames in _frames(size_px):
        for output, difference in _differences(segmenter, model, frames).items():
            worst[output] = max(worst[output], difference)
            if not difference <= TOLERANCE:
                raise ParityError(f"{name}: {output} differs by {difference:.2g}, expected at most {TOLERANCE:g}")
    return worst


def render_frames(size_px: int, count: int) -> Frames:
    """Landscapes with a plume each, the same at every call: (count, size_px, size_px, 3) uint8 RGB."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        landscape = render_landscape(rng, size_px, size_px)
        frames.append(add_smoke(landscape, render_plume(rng, size_px, size_px, 0.3), rng)[0])
    return np.stack(frames)


def _frames(size_px: int) -> Iterator[tuple[str, Frames]]:
    """Batches of every size on rendered frames, and black, white and saturated ones."""
    rendered = render_frames(size_px, max(BATCHES))
    for batch in BATCHES:
        yield f"rendered frames, batch {batch}", rendered[:batch]
    one = (1, size_px, size_px, 3)
    yield "black frame", np.zeros(one, np.uint8)
    yield "white frame", np.full(one, 255, np.uint8)
    yield "saturated noise", np.random.default_rng(0).choice(np.array([0, 255], np.uint8), one)


def _differences(segmenter: SmokeSegmenter, model: OnnxModel, frames: Frames) -> dict[str, float]:
    expected, found = _answer(segmenter, frames), model.run(frames)
    _, total, aleatoric, epistemic, *novelty = found
    identity = float(np.abs(total - aleatoric - epistemic).max())
    if not identity <= IDENTITY_TOLERANCE:
        raise ParityError(f"total - aleatoric - epistemic is {identity:.2g} nats, expected 0 to {IDENTITY_TOLERANCE:g}")
    far = {name: float(np.abs(f - e).max()) for name, f, e in zip(OUTPUTS, found, expected, strict=False)}
    if novelty:  # has no upper end
        far[NOVELTY] = float((np.abs(novelty[0] - expected[-1]) / (1.0 + expected[-1])).max())
    return far


@torch.inference_mode()
def _answer(segmenter: SmokeSegmenter, frames: Frames) -> list[npt.NDArray[np.float32]]:
    """The maps, and novelty where the module tells it."""
    return [output.numpy() for output in segmenter(torch.from_numpy(frames)) if output is not None]


def _check_graph(model: onnx.ModelProto) -> None:
    external = [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    if external:
        raise ParityError(
            f"{len(external)} tensors lie outside the file, the first is {external[0]!r}, expected one file"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ParityError(f"no valid graph: {error}") from error
    nodes = (*model.graph.node, *(node for function in model.functions for node in function.node))
    operators = set(_operators(nodes))
    if operators & _RANDOM_OPERATORS:
        raise ParityError(f"random operators in the graph: {sorted(operators & _RANDOM_OPERATORS)}, expected none")


def _operators(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """The types of nodes and of all within their branches and loops."""
    for node in nodes:
        yield node.op_type
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _operators(graph.node)


def _check_signature(model: OnnxModel, size_px: int, names: tuple[str, ...]) -> None:
    batch, *rest = model.input_shape
    found = (model.input_name, model.input_type, rest, isinstance(batch, str))
    expected = ("frame", "tensor(uint8)", [size_px, size_px, 3], True)
    if found != expected:
        raise ParityError(f"input (name, type, shape, batch is dynamic) is {found}, expected {expected}")
    if tuple(model.output_names) != names or set(model.output_types) != {"tensor(float)"}:
        raise ParityError(f"outputs are {model.output_names} of {model.output_types}, expected {names} of float32")
