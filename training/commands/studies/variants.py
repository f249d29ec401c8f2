"""Rows of `ablate` that differ in their data: weak labels made of the masks of the same frames, and halves of the frames."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from models.geometry import Map
from training.audit.descriptor import NEAR
from training.audit.ranking import choose_frames
from training.audit.split import write_data
from training.commands.rank import KEPT_SCORES, WEIGHTS_DIGITS, score_files
from training.commands.studies.study import Row
from training.commands.studies.table import StudyError
from training.config import Config, Stage
from training.data.batches import possible_mix
from training.data.files import DataError, made
from training.data.folders import Folders, read_frames
from training.data.frames import (
    BOXED,
    REAL_SMOKE,
    SCRIBBLED,
    SMOKE_FREE,
    SYNTHETIC,
    Frame,
    frames_sha256,
    load_image,
    load_mask,
    write_png,
)
from training.evaluation.predictor import Predictor, load_predictor
from training.synthesis.weak_labels import boxes_around, scribble

LABELS, RANKED = "labels", "ranked"
_FORMS = {"masks": REAL_SMOKE, "boxes": BOXED, "scribbles": SCRIBBLED}
_SEEDS = 3
_FEWEST = 4


def label_rows(config: Config, data: Folders, out: Path) -> list[Row]:
    """Masks, boxes and scribbles of the same frames; views are whole frames, as weak labels need them, and no source has other masks.

    Args:
        config: Whose sources with smoke all become one; smoke-free ones keep their shares.
        data: Data folder or folders; the masks of `train` are made weaker, those of `val` stay.
        out: Gets a data folder a row, which leaves pictures where they are.

    Raises:
        DataError: No frame of train has a mask with smoke, there is no val, or the folders are there, and made of other frames.
    """
    frames = read_frames(data, "train")
    free = [frame for frame in frames if frame.kind in SMOKE_FREE]
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE and _mask_of(frame).any()]
    if not smoke:
        raise DataError(
            f"train has {len(frames)} frames, none of them with a mask that holds smoke; nothing to make weaker"
        )
    val = read_frames(data, "val")
    rows, of = [], frames_sha256([*frames, *val])
    for name, kind in _FORMS.items():
        folder = out / f"data-{name}"
        with made(folder, of) as begun:
            if begun:
                write_data(begun, [*(_weakened(frame, kind, begun) for frame in smoke), *free], val)
        rows.append(Row(name, name, (_mix(config, kind, free), "data.decoys=0", _whole(config)), folder))
    return rows


def half_rows(config: Config, data: Folders, out: Path, model: Path | None, console: Console) -> list[Row]:
    """Half of the frames of `train` as `rank` chooses them, beside as many at random, with three seeds each.

    Args:
        config: Of all rows. Of `data.mix` stays what every half has frames for.
        data: Data folder or folders; synthetic frames, which nobody labels, are in every half, and `val` stays.
        out: Gets a data folder a half, which leaves pictures where they are, and the scores.
        model: Checkpoint or release that ranks. It should not have learnt from these frames.
        console: Shows how far the ranking is.

    Raises:
        StudyError: No model is named.
        DataError: There are fewer frames than make two halves, there is no val, or the folders are there, and made of other frames
            or by another model.
    """
    if model is None:
        raise StudyError(
            f"--table {RANKED} wants --model: the checkpoint or release that ranks, one that has not seen these frames"
        )
    frames, val = read_frames(data, "train"), read_frames(data, "val")
    pool = [frame for frame in frames if frame.kind != SYNTHETIC]
    if len(pool) < _FEWEST:
        raise DataError(f"train has {len(pool)} frames that are not synthetic, expected at least {_FEWEST} to halve")
    synthetic = [frame for frame in frames if frame.kind == SYNTHETIC]
    predictor = load_predictor(model)
    ranked = _ranked_half(pool, predictor, out, console)
    halves = {"ranked": [*ranked, *synthetic]}
    for seed in range(config.seed, config.seed + _SEEDS):
        drawn = np.random.default_rng(seed).permutation(len(pool))[: len(ranked)]
        halves[f"random-{seed}"] = [*(pool[place] for place in sorted(drawn.tolist())), *synthetic]
    of = f"{frames_sha256([*frames, *val])} {predictor.sha256[:WEIGHTS_DIGITS]}"
    for name, half in halves.items():
        with made(out / f"data-{name}", of) as begun:
            if begun:
                write_data(begun, half, val)
    common = set.intersection(*({frame.kind for frame in half} for half in halves.values()))
    mix = _toml(possible_mix(config.data.mix, [frame for frame in frames if frame.kind in common]))
    return [row for seed in range(config.seed, config.seed + _SEEDS) for row in _pair(seed, mix, len(ranked), out)]


def _pair(seed: int, mix: str, count: int, out: Path) -> Iterator[Row]:
    for what, name, half in (
        ("ranked", f"ranked-{seed}", "ranked"),
        ("at random", f"random-{seed}", f"random-{seed}"),
    ):
        yield Row(name, f"{count} frames {what}", (mix, f"seed={seed}"), out / f"data-{half}")


def _ranked_half(pool: Sequence[Frame], predictor: Predictor, out: Path, console: Console) -> list[Frame]:
    """Those that `rank` chooses, and where too few differ, of the rest those with the highest scores."""
    out.mkdir(parents=True, exist_ok=True)
    files = [frame.image for frame in pool]
    scored = score_files(predictor, out, files, out / KEPT_SCORES, console)
    half = len(pool) // 2
    distinct = {row.scored.file for row in choose_frames(scored, half, NEAR) if not row.alike}
    rest = sorted((each for each in scored if each.file not in distinct), key=lambda each: -each.score)
    chosen = distinct | {each.file for each in rest[: half - len(distinct)]}
    return [frame for frame in pool if frame.image in chosen]


def _weakened(frame: Frame, kind: str, folder: Path) -> Frame:
    """A frame with its mask, with boxes around its pieces, or with strokes, which are drawn alike each time, in that folder."""
    if kind == REAL_SMOKE:
        return frame
    mask = _mask_of(frame)
    if kind == BOXED:
        return replace(frame, mask=None, kind=BOXED, boxes=boxes_around(mask))
    strokes = folder / "scribbles"
    strokes.mkdir(exist_ok=True)
    number = len(list(strokes.iterdir()))
    path = strokes / f"{number:06d}.png"
    write_png(scribble(mask, np.random.default_rng(number)), path)
    return replace(frame, mask=path, kind=SCRIBBLED)


def _mask_of(frame: Frame) -> Map:
    return load_mask(frame, load_image(frame.image).shape)


def _mix(config: Config, kind: str, free: Sequence[Frame]) -> str:
    """The shares of all sources with smoke given to one, beside the smoke-free ones that there are frames of."""
    kinds = {frame.kind for frame in free}
    shares = {str(source): share for source, share in config.data.mix.items()}
    smoke = sum(share for source, share in shares.items() if source not in SMOKE_FREE)
    return _toml({kind: smoke} | {source: shares[source] for source in SMOKE_FREE if source in kinds & shares.keys()})


def _toml(mix: dict[str, float]) -> str:
    return f"data.mix={{{', '.join(f'{source} = {share}' for source, share in mix.items())}}}"


def _whole(config: Config) -> str:
    return f"generator.stages=[{', '.join(map(_whole_stage, config.generator.stages))}]"


def _whole_stage(stage: Stage) -> str:
    return f"{{steps = {stage.steps}, batch = {stage.batch}, size_px = {stage.size_px}, whole = true}}"
