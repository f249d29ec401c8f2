"""Whether `paper.toml` learns here: twenty steps on one fixed batch of six whole frames, ResNet50 at 480 x 480.

    python -m tests.performance.paper_preset --data DATA [--set network.encoder_weights=FILE]

Without ImageNet weights of ResNet50 the encoder starts from scratch, which is said.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.commands.config_file import read_config
from training.config import Config
from training.data.folders import read_frames
from training.engine.setup import build_loader, estimator_learner, generator_learner, start_segmenter

_SCRATCH = "network.encoder_weights=none"


def losses_on_one_batch(config: Config, data: Path, steps: int) -> list[float]:
    """The generator's loss at each of some steps on the first batch of a run, with the estimator learning beside it."""
    torch.manual_seed(config.seed)
    fabric = Fabric(accelerator=config.accelerator, precision=config.precision)
    segmenter = start_segmenter(config, (), resumed=False).to(fabric.device).to(memory_format=torch.channels_last)
    learners = [
        generator_learner(config, segmenter),
        estimator_learner(config, segmenter, config.estimator.joint_every),
    ]
    for learner in learners:
        learner.set_up(fabric)
    loader = build_loader(config, read_frames(data, "train"), "generator", config.generator.stages, 0)
    batch = next(iter(fabric.setup_dataloaders(loader)))
    losses = []
    for step in range(steps):
        numbers = [learner.step(fabric, [batch], step, steps) for learner in learners]
        losses.append(numbers[0]["loss"])
    return losses


def fall(losses: Sequence[float]) -> tuple[float, float]:
    """Mean of the first five losses and of the last five."""
    return sum(losses[:5]) / 5, sum(losses[-5:]) / 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    config = read_config(Path("paper"), ["workers=0", *(options.overrides or [_SCRATCH])])
    started = time.monotonic()
    losses = losses_on_one_batch(config, options.data, 20)
    first, last = fall(losses)
    seconds = (time.monotonic() - started) / len(losses)
    print(f"encoder from {config.network.encoder_weights}; {seconds:.1f} s a step")  # noqa: T201
    print(f"loss, mean of steps 1 to 5: {first:.4f}, of steps 16 to 20: {last:.4f}")  # noqa: T201


if __name__ == "__main__":
    main()
