"""Whether epistemic uncertainty is higher on frames of kinds that no training frame shows: fog, night, towers, left out in turn.

    python -m tests.performance.unseen_kinds CONFIG --data DATA --data MORE --out runs/kinds [--set section.key=value]

`kinds/` names the frames of each kind, and in `KIND-unsure.txt` those of which one may doubt: neither are trained on, and the unsure
are not measured. For each kind CONFIG, a file or a preset, is trained on the rest of `train`; `{kind}` in an override is its name. Its
`initial` and `members` must not have seen the kind either. The same command goes on where it was stopped.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from models.geometry import fit
from models.manifest import newest_release
from training.audit.split import write_split
from training.commands.config_file import read_config
from training.commands.progress import TerminalReporter
from training.commands.studies.table import score_cell
from training.config import Config
from training.data.folders import Folders, choose, frames_to_score, read_frames
from training.data.frames import SMOKE_FREE, Frame, load_image
from training.data.layouts.manifest import MANIFEST
from training.engine.run import Interrupted, train
from training.evaluation.predictor import Predictor, load_predictor
from training.metrics.bootstrap import Interval, by_group, interval
from training.metrics.failure_detection import auroc

KINDS = ("fog", "night", "towers")
_LISTS = Path(__file__).parent / "kinds"
_QUANTITIES = ("novelty", "epistemic", "total")
_HEAD = (
    f"| kind | model | its frames | others | {' | '.join(_QUANTITIES)} | novel as 5 % of the others |\n"
    f"|{' --- |' * (5 + len(_QUANTITIES))}\n"
)


class Doubt(NamedTuple):
    """A frame's group, whether it shows smoke, its novelty (NaN where the model tells none), and the means of its maps in nats."""

    group: str
    smoke: bool
    novelty: float
    epistemic: float
    total: float


class Frames(NamedTuple):
    """The frames of a kind, of both splits and of val alone; and the others, which are surely of none: to train on, and of val."""

    kind: list[Frame]
    kind_val: list[Frame]
    train: list[Frame]
    val: list[Frame]


def without(kind: str, data: Folders) -> Frames:
    """The frames apart from those of a kind. Raises DataError where a list names a frame that is not there."""
    every = read_frames(data, "all")
    own, unsure = (choose(every, data, _LISTS / f"{name}.txt") for name in (kind, f"{kind}-unsure"))
    left_out = {frame.image for frame in (*own, *unsure)}
    train_frames, val = read_frames(data, "train"), frames_to_score(data, "val", None)
    of_val = {frame.image for frame in val}
    return Frames(
        own,
        [frame for frame in own if frame.image in of_val],
        [frame for frame in train_frames if frame.image not in left_out],
        [frame for frame in val if frame.image not in left_out],
    )


def trained(config: Config, frames: Sequence[Frame], out: Path, name: str) -> Path:
    """The checkpoint of a run on these frames alone, from where it stands to its end."""
    folder = out / f"data-{name}"
    (folder / MANIFEST).unlink(missing_ok=True)
    write_split([("train", frame.group, frame) for frame in frames], folder)
    with TerminalReporter(Console(stderr=True), out / "tensorboard" / name) as reporter:
        return train(config, folder, out / name, reporter)


def look(predictor: Predictor, frames: Iterable[Frame]) -> list[Doubt]:
    found = []
    for frame in frames:
        maps = predictor.predict(fit(load_image(frame.image), predictor.size_px))
        epistemic, total = (float(values.mean(dtype="float64")) for values in (maps.epistemic, maps.total))
        novelty = math.nan if maps.novelty is None else maps.novelty
        found.append(Doubt(frame.group, frame.kind not in SMOKE_FREE, novelty, epistemic, total))
    return found


def ranked(unseen: Sequence[Doubt], seen: Sequence[Doubt], quantity: str) -> tuple[float, Interval]:
    """AUROC of an unseen frame being doubted more than a seen one, and its 95 % interval over camera groups."""
    items = [(each.group, (new, getattr(each, quantity))) for new, of in ((True, unseen), (False, seen)) for each in of]
    return _auroc([item for _, item in items]), interval(by_group(items), _auroc)


def _auroc(items: Sequence[tuple[bool, float]]) -> float:
    return auroc([value for _, value in items], [new for new, _ in items])


def row(kind: str, model: str, unseen: Sequence[Doubt], seen: Sequence[Doubt]) -> str:
    scores = " | ".join(score_cell(ranked(unseen, seen, quantity), 2) for quantity in _QUANTITIES)
    limit = float(np.quantile([each.novelty for each in seen], 0.95))
    novel = float(np.mean([each.novelty > limit for each in unseen]))
    return f"| {kind} | {model} | {len(unseen)} | {len(seen)} | {scores} | {novel:.0%} |\n"


def rows(kind: str, frames: Frames, checkpoint: Path, beside: Predictor) -> str:
    """In Markdown: the model without the kind on all frames of it, and on those of val, on which the other is measured as well.

    A frame with smoke has doubt at its rim whatever its kind. So there is a row with only those others that show smoke if these do.
    """
    own, other = (partial(look, model) for model in (load_predictor(checkpoint), beside))
    unseen, seen = own(frames.kind), own(frames.val)
    alike = [each for each in seen if each.smoke in {of.smoke for of in unseen}]
    return (
        row(kind, "trained without it", unseen, seen)
        + row(kind, "the same, others alike as to smoke", unseen, alike)
        + row(kind, "the same, on val alone", own(frames.kind_val), seen)
        + row(kind, f"{beside.description}, on val alone", other(frames.kind_val), other(frames.val))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--beside", type=Path, default=newest_release(), help="a model that was trained on the kinds")
    options = parser.parse_args(arguments)
    sets = {kind: [each.replace("{kind}", kind) for each in options.overrides] for kind in options.kinds}
    configs = {kind: read_config(options.config, sets[kind]) for kind in options.kinds}
    apart = {kind: without(kind, options.data) for kind in options.kinds}
    beside, table = load_predictor(options.beside), _HEAD
    sys.stdout.write(table)
    for kind, frames in apart.items():
        try:
            checkpoint = trained(configs[kind], frames.train, options.out, f"without-{kind}")
        except Interrupted as stop:
            sys.stderr.write(f"{stop}\n")
            return 130
        found = rows(kind, frames, checkpoint, beside)
        sys.stdout.write(found)
        sys.stdout.flush()
        table += found
        (options.out / "kinds.md").write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
