"""What a step of training takes where Fabric runs it, a GPU if there is one: `python -m tests.performance.step_speed`.

Each preset at its whole frames, with g_gamma learning beside the generator, on one batch of noise that lies on the device already, so
that only the networks are timed, in each precision. Prints a table in Markdown.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.commands.config_file import read_config
from training.config import Config
from training.data.batches import Batch
from training.engine.setup import estimator_learner, generator_learner, start_segmenter

_PRECISIONS = ("32-true", "bf16-mixed")
_WARM_UP = 10


def seconds(config: Config, batch: int, size_px: int, steps: int) -> float:
    """Median time of a step on so many views of so many pixels a side; what learns every so many steps is averaged over those."""
    torch.manual_seed(config.seed)
    fabric = Fabric(accelerator=config.accelerator, precision=config.precision)
    segmenter = start_segmenter(config, (), resumed=False).to(fabric.device).to(memory_format=torch.channels_last)
    every = max(1, config.estimator.joint_every)
    learners = [generator_learner(config, segmenter), estimator_learner(config, segmenter, every)]
    for learner in learners:
        learner.set_up(fabric)
    views = fabric.to_device(_noise(batch, size_px))
    taken = []
    for step in range(0, _WARM_UP + steps, every):
        started = time.perf_counter()
        for number in range(step, step + every):
            for learner in learners:
                # Ends with the loss terms as numbers, and so with the work done.
                learner.step(fabric, [views], number, _WARM_UP + steps)
        if step >= _WARM_UP:
            taken.append((time.perf_counter() - started) / every)
    return statistics.median(taken)


def _noise(batch: int, size_px: int) -> Batch:
    image = torch.randint(0, 256, (batch, 3, size_px, size_px), dtype=torch.uint8)
    mask = (torch.rand(batch, 1, size_px, size_px) > 0.9).float()
    return Batch(image, mask, torch.rand(batch, 1, size_px, size_px), torch.ones_like(mask), ["noise"] * batch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["embedded", "paper"])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args(arguments)
    sys.stdout.write("| preset | precision | views a step | ms a step | views/s |\n| --- | --- | --- | --- | --- |\n")
    for preset in options.presets:
        for precision in _PRECISIONS:
            config = read_config(Path(preset), ["network.encoder_weights=none", f"precision={precision}"])
            for batch in options.batches:
                taken = seconds(config, batch, options.size, options.steps)
                sys.stdout.write(f"| {preset} | {precision} | {batch} | {1e3 * taken:.0f} | {batch / taken:.0f} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
