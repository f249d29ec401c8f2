"""What the deployed graph costs beside the bare encoder `tf_efficientnet_lite0`, and where: `python -m tests.performance.graph_speed`.

Graphs in onnxruntime at 480 x 480, weights random since they cost the same; each round runs all of them in turn. Prints a table in
Markdown, a column per number of threads.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from models.networks.backbone import Backbone, normalisation
from models.networks.segmenter import SmokeSegmenter
from training.commands.config_file import read_config
from training.engine.networks import build_segmenter

_BARE = "tf_efficientnet_lite0"
_WARM_UP = 3


class Encoder(nn.Module):
    """An encoder alone: frame (batch, h, w, 3) uint8 -> its deepest feature, summed so that it must be computed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.normalise = normalisation(name)
        self.backbone = Backbone(name)

    def forward(self, frame: Tensor) -> Tensor:
        """(batch, h, w, 3) uint8 -> (batch,)."""
        features = self.backbone(self.normalise(frame.permute(0, 3, 1, 2)))
        return torch.stack([feature.sum((1, 2, 3)) for feature in features]).sum(0)


class WithoutEstimator(nn.Module):
    """The deployed graph without g_gamma: frame (batch, h, w, 3) uint8 -> probability (batch, 1, h, w)."""

    def __init__(self, segmenter: SmokeSegmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, frame: Tensor) -> Tensor:
        """(batch, h, w, 3) uint8 -> (batch, 1, h, w)."""
        image = self.segmenter.normalise(frame.permute(0, 3, 1, 2))
        return torch.sigmoid(self.segmenter.generator(image, self.segmenter.inference_model(image).mean))


def milliseconds(graphs: Mapping[str, Path], size_px: int, threads: int, rounds: int) -> dict[str, list[float]]:
    """Time of each graph in each round."""
    frame = np.random.default_rng(1).integers(0, 256, (1, size_px, size_px, 3), dtype=np.uint8)
    sessions = {name: _session(path, threads) for name, path in graphs.items()}
    taken: dict[str, list[float]] = {name: [] for name in graphs}
    for turn in range(_WARM_UP + rounds):
        for name, session in sessions.items():
            started = time.perf_counter()
            session.run(None, {"frame": frame})
            if turn >= _WARM_UP:
                taken[name].append(1e3 * (time.perf_counter() - started))
    return taken


def table(by_threads: Mapping[int, Mapping[str, Sequence[float]]]) -> str:
    """Rows by graph: the median over rounds of its time over the bare encoder's of the same round, and its median time."""
    lines = [
        f"| graph | {' | '.join('1 thread' if threads == 1 else f'{threads} threads' for threads in by_threads)} |",
        f"| --- |{' --- |' * len(by_threads)}",
    ]
    for name in next(iter(by_threads.values())):
        cells = [_cell(taken[name], next(iter(taken.values()))) for taken in by_threads.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(taken: Sequence[float], bare: Sequence[float]) -> str:
    ratio = statistics.median(own / its for own, its in zip(taken, bare, strict=True))
    return f"{ratio:.2f} ({statistics.median(taken):.0f} ms)"


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _graphs(preset: str, folder: Path) -> tuple[dict[str, Path], int]:
    config = read_config(Path(preset))
    segmenter = build_segmenter(config.network, pretrained=False)
    modules: dict[str, nn.Module] = {
        f"bare {_BARE}": Encoder(_BARE),
        f"encoder {config.network.encoder}": Encoder(config.network.encoder),
        "and decoder: probability": WithoutEstimator(segmenter),
        "and g_gamma: the whole graph": segmenter,
    }
    paths = {name: folder / f"{number}.onnx" for number, name in enumerate(modules)}
    for name, module in modules.items():
        frame = torch.zeros((1, config.data.size_px, config.data.size_px, 3), dtype=torch.uint8)
        program = torch.onnx.export(
            module.eval(), (frame,), input_names=["frame"], opset_version=18, dynamo=True, verbose=False
        )
        assert program is not None
        program.save(str(paths[name]), external_data=False)
    return paths, config.data.size_px


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="embedded")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        graphs, size_px = _graphs(options.preset, Path(folder))
        measured = {threads: milliseconds(graphs, size_px, threads, options.rounds) for threads in options.threads}
    sys.stdout.write(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
