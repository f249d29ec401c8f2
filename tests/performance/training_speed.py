"""What training's own ways are worth beside the usual ones, as ratios taken in one run: `python -m tests.performance.training_speed`.

Prints a table in Markdown; with `--data FOLDER` also the loader's share of a training step.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from models.networks.segmenter import SmokeSegmenter
from tests.performance.unfolded import unfolded_coherence
from training.commands.config_file import read_config
from training.config import Config
from training.data.folders import read_frames
from training.engine.monte_carlo import dropout_only, in_evaluation, sample_probabilities
from training.engine.networks import build_segmenter
from training.engine.setup import build_loader, generator_learner
from training.losses.coherence import coherence_loss

_COHERENCES = {"shifted": coherence_loss, "unfolded": unfolded_coherence}


def ratio(slow: Callable[[], object], fast: Callable[[], object], rounds: int) -> float:
    """Median of slow / fast over rounds that alternate, after one of each to warm up."""
    slow(), fast()
    return statistics.median(_seconds(slow) / _seconds(fast) for _ in range(rounds))


def coherence_speed(batch: int, size_px: int, rounds: int) -> float:
    """Unfolded / shifted, forward and backward."""
    return ratio(*(_coherence_step(_COHERENCES[name], batch, size_px) for name in ("unfolded", "shifted")), rounds)


def coherence_memory(batch: int, size_px: int) -> float:
    """Peak memory of unfolded / shifted, each in a process of its own, less what it held before."""
    return _peak_bytes("unfolded", batch, size_px) / _peak_bytes("shifted", batch, size_px)


def sampling_speed(config: Config, samples: int, rounds: int) -> float:
    """Full passes / encode once and decode `samples` times."""
    segmenter, image = _at_full_size(config)

    @torch.no_grad()
    def full() -> None:
        with dropout_only(segmenter.generator), dropout_only(segmenter.inference_model):
            for _ in range(samples):
                torch.sigmoid(segmenter.generator(image, segmenter.inference_model(image).sample()))

    return ratio(
        full, lambda: sample_probabilities(segmenter.generator, segmenter.inference_model, image, samples), rounds
    )


def deployed_speed(config: Config, samples: int, rounds: int) -> float:
    """Encode once and decode `samples` times / one pass with g_gamma."""
    segmenter, image = _at_full_size(config)

    @torch.no_grad()
    def deployed() -> None:
        with in_evaluation(segmenter):
            logits = segmenter.generator(image, segmenter.inference_model(image).mean)
            segmenter.estimator(image, torch.sigmoid(logits))

    return ratio(
        lambda: sample_probabilities(segmenter.generator, segmenter.inference_model, image, samples), deployed, rounds
    )


def loader_share(config: Config, data: Path, steps: int) -> float:
    """CPU seconds of making a batch / CPU seconds of a training step on it, batches being made in this process."""
    config = config.model_copy(update={"workers": 0})
    segmenter = build_segmenter(config.network, pretrained=True).to(memory_format=torch.channels_last)
    learner = generator_learner(config, segmenter)
    learner.module.train()
    batches = iter(build_loader(config, read_frames(data, "train"), "generator", config.generator.stages, 0))
    shares = []
    for step in range(steps):
        started = time.process_time()
        batch = next(batches)
        made = time.process_time()
        learner.terms(learner.module, batch, step)["loss"].backward()
        learner.optimiser.step()
        shares.append((made - started) / (time.process_time() - made))
    return statistics.median(shares[1:])


def _coherence_step(loss: Callable[[Tensor, Tensor], Tensor], batch: int, size_px: int) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(1)
    prediction = torch.rand(batch, 1, size_px, size_px, generator=generator, requires_grad=True)
    transmission = torch.rand(batch, 1, size_px, size_px, generator=generator)
    return lambda: loss(prediction, transmission).backward()


def _at_full_size(config: Config) -> tuple[SmokeSegmenter, Tensor]:
    segmenter = build_segmenter(config.network, pretrained=False).to(memory_format=torch.channels_last).eval()
    image = torch.randn(1, 3, config.data.size_px, config.data.size_px)
    return segmenter, image.contiguous(memory_format=torch.channels_last)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak_bytes(name: str, batch: int, size_px: int) -> int:
    command = [sys.executable, "-m", "tests.performance.training_speed", "--peak", name, str(batch), str(size_px)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(told.stdout)


def _print_peak(name: str, batch: int, size_px: int) -> None:
    """Growth of this process's resident peak over one step, in bytes."""
    step = _coherence_step(_COHERENCES[name], batch, size_px)
    _coherence_step(_COHERENCES[name], 1, 32)()
    before = _status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    step()
    print(_status_bytes("VmHWM") - before)  # noqa: T201


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="data folder, for the loader's share")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", nargs=3, metavar=("NAME", "BATCH", "SIZE_PX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        name, batch, size_px = options.peak
        return _print_peak(name, int(batch), int(size_px))
    paper, embedded, rounds = read_config(Path("paper")), read_config(Path("embedded")), options.rounds
    rows = [
        (
            "coherence loss, forward and backward, 6 x 1 x 480 x 480: unfolded / ours, time",
            coherence_speed(6, 480, rounds),
        ),
        ("the same, peak memory", coherence_memory(6, 480)),
        ("paper, 20 samples: full passes / encode once", sampling_speed(paper, 20, rounds)),
        ("embedded, 20 samples: full passes / encode once", sampling_speed(embedded, 20, rounds)),
        ("embedded: 50 samples, encode once / one pass with g_gamma", deployed_speed(embedded, 50, rounds)),
    ]
    if options.data:
        rows.append(("embedded: CPU seconds of the loader / of the step", loader_share(embedded, options.data, 8)))
    print("| what | ratio |\n| --- | --- |")  # noqa: T201
    for what, value in rows:
        print(f"| {what} | {value:.3g} |")  # noqa: T201
    return None


if __name__ == "__main__":
    main()
