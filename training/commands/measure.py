"""What the commands that measure a model do: on frames with their truth, and by what people said of its alarms."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from models.manifest import Manifest
from models.networks.segmenter import SmokeSegmenter
from training.commands.studies.folds import out_of_fold
from training.config import Config, ConfigError
from training.data.checks import check_frames
from training.data.files import write_whole
from training.data.folders import evenly_spaced, expect_groups, frames_to_score
from training.data.frames import REAL_SMOKE, Frame, expect_unchanged, frames_sha256
from training.engine.networks import load_segmenter
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import evaluate, write
from training.evaluation.feedback import Watch, by_threshold, read_feedback, threshold_table
from training.evaluation.predictor import Predictor, load_predictor, looking_closer
from training.evaluation.report import headline, read_report
from training.evaluation.sampling_agreement import compare_with_sampling

_SAMPLED_FRAMES = 24


def run_evaluate(options: argparse.Namespace, console: Console) -> None:
    """`evaluate`: the report with its pictures, and its headline."""
    predictor = _asked_for(options)
    # Now, for a run that goes on writes another in its place.
    sampled = load_segmenter(options.model) if options.samples else None
    frames = frames_to_score(options.data, options.split, options.subset)
    before = frames_sha256(frames)
    check_frames(frames)
    added: dict[str, Any] = {"beside": _beside(options.beside)} if options.beside else {}
    if options.feedback:
        added["feedback"] = read_feedback(options.feedback)
    options.out.mkdir(parents=True, exist_ok=True)  # Where that cannot be, nothing is scored in vain.
    if options.folds:
        predictor = out_of_fold(predictor, options.model, options.folds, frames)
    if predictor.threshold is None:
        expect_groups(frames, options.split)
        predictor, added["calibration"] = calibrate(predictor, frames)
    if sampled:
        added["sampling_free"] = _against_sampling(*sampled, frames, options.samples)
    evaluation = evaluate(predictor, options.data, options.split, options.subset)
    evaluation.report.update(added)
    expect_unchanged(before, frames_to_score(options.data, options.split, options.subset))
    write(evaluation, options.out)
    console.print(Markdown(headline(evaluation.report)))
    console.print(f"{', '.join(sorted(path.name for path in options.out.iterdir()))} are in {options.out}")


def run_calibrate(options: argparse.Namespace, console: Console) -> None:
    """`calibrate`: which of its operating points to run a release at, which is immutable."""
    watch = Watch(options.cameras, options.days)
    found = by_threshold(options.feedback, Manifest.read(options.release), watch)
    if options.out:
        write_whole(json.dumps(found, indent=2) + "\n", options.out)
    console.print(Markdown(threshold_table(found)))


def _asked_for(options: argparse.Namespace) -> Predictor:
    """The model in the form that is to be scored."""
    if options.folds and (options.tiles or options.samples or options.precision != "fp32"):
        raise ConfigError(
            "found --folds with --tiles, --samples or --precision, expected it without: the runs answer without any"
        )
    if options.precision != "fp32" and options.model.is_file():
        raise ConfigError(f"found --precision {options.precision} with a checkpoint, expected a release folder")
    if options.samples and options.model.is_dir():
        raise ConfigError("found --samples with a release folder, expected a checkpoint: a release does not sample")
    predictor = load_predictor(options.model, options.precision)._replace(tiles=options.tiles)
    if options.no_close_ups:
        return predictor._replace(close_ups=None)
    return looking_closer(predictor) if options.model.is_file() and not options.tiles else predictor


def _beside(path: Path) -> dict[str, Any]:
    """What a report shows of another model: how far its probabilities mean what they say."""
    report = read_report(path, "calibration_table")
    return {key: report[key] for key in ("model", "split", "calibration_table", "calibrated_by") if key in report}


def _against_sampling(
    segmenter: SmokeSegmenter, config: Config, frames: Sequence[Frame], samples: int
) -> dict[str, Any]:
    """The deployed pass beside sampling, on frames with smoke spread over the split."""
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE]
    return compare_with_sampling(segmenter, evenly_spaced(smoke, _SAMPLED_FRAMES), config.data.size_px, samples)
