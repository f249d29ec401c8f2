"""Options of the commands that make a model, measure it and release it."""

import argparse
from pathlib import Path

from training.parsing.arguments import add_data, add_overrides, whole_number


def add_train(parser: argparse.ArgumentParser) -> None:
    """`train`."""
    parser.add_argument(
        "--seeds",
        type=whole_number,
        default=1,
        metavar="N",
        help="train it N times, from its seed on, score each on val, and tell mean and spread (default: 1)",
    )
    parser.add_argument(
        "--folds",
        type=whole_number,
        metavar="K",
        help="train it without each of K parts of the camera groups in turn, and then with all of them; `evaluate --folds` measures it",
    )
    _add_training(parser, "runs/<name>")


def add_ablate(parser: argparse.ArgumentParser) -> None:
    """`ablate`."""
    parser.add_argument(
        "--table",
        choices=("paper", "recipe", "labels", "ranked"),
        default="paper",
        help="paper: more and more of eq. 11, as in Table 4; recipe: less one thing at a time; labels: masks, boxes and scribbles "
        "of the same frames; ranked: half of the frames as `rank` chooses them, and at random, three seeds each (default: paper)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        help="of the table ranked: release folder or checkpoint that ranks, one that has not seen DATA",
    )
    _add_training(parser, "runs/ablation-<table>-<name>")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """`compare`."""
    parser.add_argument(
        "--networks",
        nargs="+",
        default=("PSPNet", "DeepLabV3Plus"),
        metavar="NAME",
        help="of segmentation_models_pytorch (default: PSPNet DeepLabV3Plus)",
    )
    parser.add_argument(
        "--figure",
        type=int,
        choices=(1, 3, 4, 6),
        help="train what this figure of the paper compares and draw it: without and with L_trans; what each --data teaches; "
        "the networks and ours side by side; reliability of UCNet's CVAE, of ours without L_c and of ours",
    )
    _add_training(parser, "runs/comparison-<name>")


def _add_training(parser: argparse.ArgumentParser, out: str) -> None:
    parser.add_argument("config", type=Path, help="TOML file, or the name of a preset: paper, embedded, quick, tiny")
    add_overrides(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, help=f"folder of the run (default: {out})")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """`evaluate`."""
    from models.tile_layout import TILES

    parser.add_argument("model", type=Path, help="checkpoint file or release folder")
    parser.add_argument(
        "--precision",
        choices=("fp32", "int8", "fp16"),
        default="fp32",
        help="which model of a release: on a CPU the service runs int8 (default: fp32)",
    )
    _add_frames(parser)
    parser.add_argument("--tiles", choices=TILES, help="look at overlapping tiles beside the whole frame")
    parser.add_argument(
        "--no-close-ups",
        action="store_true",
        help="look at whole frames alone, not at small smoke once more from nearby",
    )
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="REPORT",
        help="report.json of the model without L_c, to show both beside each other",
    )
    parser.add_argument(
        "--samples",
        type=whole_number,
        default=0,
        metavar="N",
        help="compare g_gamma with this many Monte Carlo samples (of a checkpoint; default: do not)",
    )
    parser.add_argument(
        "--feedback",
        type=Path,
        metavar="JSONL",
        help="what people said of a service's alarms (SMOKE_FEEDBACK_FILE), as a table",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), help="folder for report and pictures")


def _add_frames(parser: argparse.ArgumentParser) -> None:
    """Which frames are scored, and by which run each."""
    add_data(parser)
    parser.add_argument("--split", choices=("train", "val", "all"), default="val")
    parser.add_argument(
        "--subset",
        type=Path,
        metavar="FILE",
        help="score only the frames of the split whose paths this file lists, one a line",
    )
    parser.add_argument(
        "--folds",
        type=Path,
        metavar="RUNS",
        help="of a model that has learnt from these frames: score each by the run of `train --folds` that has not seen its group; "
        "the --out of that command",
    )


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """`calibrate`."""
    parser.add_argument("release", type=Path, help="release folder that raised the alarms")
    parser.add_argument(
        "--feedback",
        type=Path,
        required=True,
        metavar="JSONL",
        help="what people said of a service's alarms (SMOKE_FEEDBACK_FILE)",
    )
    parser.add_argument(
        "--cameras",
        type=whole_number,
        metavar="N",
        help="cameras that were watched, those without an alarm too (default: those with one)",
    )
    parser.add_argument(
        "--days",
        type=whole_number,
        metavar="N",
        help="days for which each was watched, every alarm judged (default: from the first alarm to the last)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")


def add_export(parser: argparse.ArgumentParser) -> None:
    """`export`."""
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--version", required=True, help="three numbers, as in 0.1.0")
    parser.add_argument("--name", help="name of the release (default: the configuration's)")
    parser.add_argument(
        "--evaluation", type=Path, help="report.json of `evaluate`: threshold and numbers for manifest and card"
    )
    parser.add_argument(
        "--remark", metavar="TEXT", default="", help="what the recipe does not say of this run, for the card"
    )
    parser.add_argument("--ablation", type=Path, help="ablation.json of `ablate`: its table, for the card")
    parser.add_argument("--seeds", type=Path, help="seeds.json of `train --seeds`: its table, for the card")
    parser.add_argument("--out", type=Path, default=Path("models/released"), help="where the release folder is made")


def add_quantise(parser: argparse.ArgumentParser) -> None:
    """`quantise`."""
    parser.add_argument("release", type=Path, help="release folder")
    add_data(parser, "data folder: train calibrates, val measures")
    parser.add_argument(
        "--precision",
        choices=("int8", "fp16"),
        default="int8",
        help="int8: for CPUs, where it must be faster; fp16: for GPUs, its speed is not measured (default: int8)",
    )
    parser.add_argument("--frames", type=whole_number, default=304, help="int8: frames to calibrate on (default: 304)")
    parser.add_argument(
        "--float-features",
        type=int,
        choices=(1, 2, 3, 4),
        nargs="+",
        default=(1, 2),
        help="int8: keep the encoder in float up to this feature: more is slower and nearer to fp32; the first with which all "
        "criteria hold is taken (default: 1, then 2)",
    )
    parser.add_argument(
        "--out", type=Path, help="where the release with both models is made, if all criteria hold (default: nowhere)"
    )
