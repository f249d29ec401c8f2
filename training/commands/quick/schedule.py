"""What `quick` teaches, and for how long: a preset on the networks of a model, with as many steps as the minutes allow."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models.manifest import Manifest
from training.commands.config_file import read_config
from training.config import Config, ConfigError, Network, parse_config
from training.data.batches import feeds_decoys, possible_mix
from training.data.files import DataError, write_whole
from training.data.folders import Folders, read_frames
from training.data.frames import SMOKE_FREE, Frame
from training.engine.checkpoint import load
from training.engine.run import train

_PROBE_STEPS, _FEWEST_STEPS = 4, 8
_SHARE_OF_TRAINING = 0.8
"""Of the minutes; the rest is for looking at the data, scoring both models and exporting."""


def schedule(start: Path, minutes: float, overrides: Sequence[str], data: Folders, kept: Path) -> Config:
    """The configuration with as many steps as there are minutes for; decided once, for a resumed run must have the same.

    Args:
        start: Release folder or checkpoint that is taught on.
        minutes: For all that `quick` does.
        overrides: Of the preset, as on the command line.
        data: Data folder or folders.
        kept: File that holds it from then on.

    Raises:
        As `start_from`.
    """
    if kept.exists():
        return parse_config(json.loads(kept.read_text(encoding="utf-8")), str(kept))
    config = start_from(start, overrides, read_frames(data, "train"))
    affordable = int(60.0 * _SHARE_OF_TRAINING * minutes / _seconds_a_step(config, data))
    stage = config.generator.stages[0]
    config = _with_steps(config, max(_FEWEST_STEPS, min(stage.steps, affordable)))
    write_whole(config.model_dump_json(indent=2) + "\n", kept)
    return config


def start_from(start: Path, overrides: Sequence[str], train_frames: Sequence[Frame]) -> Config:
    """The preset `quick` on the networks of a release or checkpoint, with the sources of views that there are frames for.

    Raises:
        ConfigError: An override is none, or the release does not say its networks.
        CheckpointError, ManifestError: It is neither.
    """
    if start.is_dir():
        manifest = Manifest.read(start)
        told = manifest.provenance.get("configuration", {}).get("network")
        if told is None:
            raise ConfigError(f"{start}: its manifest does not say its networks")
        network, size_px = Network.model_validate(told), manifest.input.size_px
    else:
        before = load(start).config
        network, size_px = before.network, before.data.size_px
    config = read_config(Path("quick"), overrides)
    kinds = {frame.kind for frame in train_frames}
    if kinds <= set(SMOKE_FREE):
        raise DataError(f"train has frames of {', '.join(sorted(kinds))}, expected some with smoke")
    mix = possible_mix(config.data.mix, train_frames)
    decoys = config.data.decoys if feeds_decoys(train_frames) else 0.0
    stages = tuple(stage.model_copy(update={"size_px": size_px}) for stage in config.generator.stages)
    return config.model_copy(
        update={
            "initial": (str(start),),
            "network": network,
            "data": config.data.model_copy(update={"mix": mix, "size_px": size_px, "decoys": decoys}),
            "generator": config.generator.model_copy(update={"stages": stages[:1]}),
        }
    )


class _Clock:
    """A Reporter that keeps how long each step took."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.seconds: list[float] = []

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:  # noqa: ARG002
        self.seconds.append(self._batch / samples_per_s)

    def validated(self, phase: str, step: int, validation: object) -> None:
        """It is asked for none."""


def _seconds_a_step(config: Config, data: Folders) -> float:
    """Of a few steps that are thrown away; the first waits for the loader and is not counted."""
    clock = _Clock(config.generator.stages[0].batch)
    with tempfile.TemporaryDirectory() as thrown_away:
        train(_with_steps(config, _PROBE_STEPS), data, Path(thrown_away), clock, novelty=False)
    return statistics.mean(clock.seconds[1:])


def _with_steps(config: Config, steps: int) -> Config:
    stage = config.generator.stages[0].model_copy(update={"steps": steps})
    return config.model_copy(update={"generator": config.generator.model_copy(update={"stages": (stage,)})})
