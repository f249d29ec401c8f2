"""The command line `smoke-bvm-train`: a model from data to release, and what is looked at on the way."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_UNEXPECTED, _STOPPED = 70, 130
_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""glibc keeps freed memory: without it, page faults cost half of a CPU step (measured, see training/README.md)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors that a user can act on are one line on stderr and exit code 2.

    What nobody thought of is one line and 70; Ctrl-C is 130.
    """
    command = "smoke-bvm-train"
    try:
        options = _parser().parse_args(arguments)
        command += f" {options.command}"
        return _run(options, arguments)
    except KeyboardInterrupt:
        sys.stderr.write(f"{command}: stopped\n")
        return _STOPPED
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        words = " ".join(f"unexpected {type(error).__name__}: {error}".split())
        sys.stderr.write(f"{command}: {words}; with PYTHONDEVMODE=1 it says where\n")
        return _UNEXPECTED


def _run(options: argparse.Namespace, arguments: Sequence[str] | None) -> int:
    if options.command in ("train", "ablate", "compare", "quick") and arguments is None:
        _keep_out_of_the_working_directory()
        _with_allocator_settings()
    from training.commands.run import run

    return run(options)


def _with_allocator_settings() -> None:
    """Start this process again with glibc's allocator settings, which are read before Python runs."""
    if sys.platform != "linux" or _ALLOCATOR.keys() <= os.environ.keys():
        return
    environment = {**_ALLOCATOR, **os.environ}
    # As it was started: `-m training` would look for the package in the working directory first, where a user may have a training.py.
    os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606


def _keep_out_of_the_working_directory() -> None:
    """The loader's processes are started with `-c`, for which Python looks into the working directory first.

    With `python -m training` that is where the package itself may be.
    """
    if vars(sys.modules["__main__"]).get("__spec__") is None:
        os.environ["PYTHONSAFEPATH"] = "1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smoke-bvm-train", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a configuration, or go on with a run")
    train.add_argument(
        "--seeds",
        type=_count,
        default=1,
        metavar="N",
        help="train it N times, from its seed on, score each on val, and tell mean and spread (default: 1)",
    )
    _add_training(train, "runs/<name>")
    ablate = commands.add_parser(
        "ablate", help="train a configuration and variants of it on equal samples, and compare"
    )
    ablate.add_argument(
        "--table",
        choices=("paper", "recipe", "labels", "ranked"),
        default="paper",
        help="paper: more and more of eq. 11, as in Table 4; recipe: less one thing at a time; labels: masks, boxes and scribbles "
        "of the same frames; ranked: half of the frames as `rank` chooses them, and at random, three seeds each (default: paper)",
    )
    ablate.add_argument(
        "--model",
        type=Path,
        help="of the table ranked: release folder or checkpoint that ranks, one that has not seen DATA",
    )
    _add_training(ablate, "runs/ablation-<table>-<name>")
    compare = commands.add_parser(
        "compare", help="train networks of a library and a configuration of ours on equal terms, and compare"
    )
    compare.add_argument(
        "--networks",
        nargs="+",
        default=("PSPNet", "DeepLabV3Plus"),
        metavar="NAME",
        help="of segmentation_models_pytorch (default: PSPNet DeepLabV3Plus)",
    )
    compare.add_argument(
        "--figure",
        type=int,
        choices=(1, 3, 4, 6),
        help="train what this figure of the paper compares and draw it: without and with L_trans; what each --data teaches; "
        "the networks and ours side by side; reliability of UCNet's CVAE, of ours without L_c and of ours",
    )
    _add_training(compare, "runs/comparison-<name>")
    _add_evaluation(commands.add_parser("evaluate", help="score a checkpoint or a release"))
    _add_calibrating(
        commands.add_parser("calibrate", help="hold the alarms that people judged against the thresholds of a release")
    )
    _add_audit(
        commands.add_parser("audit", help="look at a data set before training: faults, duplicates, leaks, sizes")
    )
    _add_split(
        commands.add_parser("split", help="write a manifest.csv whose val has no scene, camera or event of train")
    )
    _add_rank(commands.add_parser("rank", help="which frames of a folder to label next, with smoke drawn already"))
    _add_quick(
        commands.add_parser(
            "quick", help="from a folder of frames to a model of one's own, and whether to use it: all in one"
        )
    )
    _add_synthesize(
        commands.add_parser("synthesize", help="render smoke, fog, low cloud and dust over pictures, with masks")
    )
    _add_export(commands.add_parser("export", help="write a release, or nothing"))
    _add_quantising(commands.add_parser("quantise", help="measure an int8 form of a release, and write one with both"))
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("smoke-bvm")
    except PackageNotFoundError:
        return "(not installed)"


def _add_training(parser: argparse.ArgumentParser, out: str) -> None:
    parser.add_argument("config", type=Path, help="TOML file, or the name of a preset: paper, embedded, quick, tiny")
    _add_overrides(parser)
    _add_data(parser, "data folder, of a layout in training/README.md")
    parser.add_argument("--out", type=Path, help=f"folder of the run (default: {out})")


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="replace a value of the configuration",
    )


def _add_data(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        metavar="FOLDER",
        help=f"{what}; may be given several times",
    )


def _add_evaluation(parser: argparse.ArgumentParser) -> None:
    from models.tile_layout import TILES

    parser.add_argument("model", type=Path, help="checkpoint file or release folder")
    _add_data(parser, "data folder, of a layout in training/README.md")
    parser.add_argument("--split", choices=("train", "val", "all"), default="val")
    parser.add_argument(
        "--subset",
        type=Path,
        metavar="FILE",
        help="score only the frames of the split whose paths this file lists, one a line",
    )
    parser.add_argument("--tiles", choices=TILES, help="look at overlapping tiles beside the whole frame")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="REPORT",
        help="report.json of the model without L_c, to show both beside each other",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=0,
        help="compare g_gamma with this many Monte Carlo samples (a checkpoint; 0: do not)",
    )
    parser.add_argument(
        "--feedback",
        type=Path,
        metavar="JSONL",
        help="what people said of a service's alarms (SMOKE_FEEDBACK_FILE), as a table",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), help="folder for report and pictures")


def _add_calibrating(parser: argparse.ArgumentParser) -> None:
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
        type=_count,
        metavar="N",
        help="cameras that were watched, those without an alarm too (default: those with one)",
    )
    parser.add_argument(
        "--days",
        type=_count,
        metavar="N",
        help="days for which each was watched, every alarm judged (default: from the first alarm to the last)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 to 100000")
    return int(text)


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DATA", help="data folder, of a layout in training/README.md"
    )


def _add_audit(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser)
    parser.add_argument(
        "--model",
        type=Path,
        help="checkpoint or release that says which masks it finds unlikely (a tenth of a second a frame)",
    )
    parser.add_argument("--table", action="store_true", help="print the row of the paper's Table 1 alone")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/audit"), help="folder for the report (default: runs/audit)"
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser)
    parser.add_argument(
        "--by",
        choices=("group", "name", "folder", "scene"),
        default="group",
        help="what belongs together beside near-duplicates: group of the manifest, name without counters, folder (default: group)",
    )
    parser.add_argument("--val", type=_share, default=0.2, help="share of the frames for val (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which groups are drawn (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder for manifest.csv, and masks of what was drawn")


def _add_rank(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures, in folders however deep")
    parser.add_argument("--model", type=Path, help="release folder or checkpoint (default: the newest release)")
    parser.add_argument("--count", type=_count, default=50, metavar="N", help="how many frames (default: 50)")
    parser.add_argument(
        "--labelled",
        type=Path,
        action="append",
        metavar="DATA",
        help="data folder of frames that are labelled: what is like one of them is left out; may be given several times",
    )
    parser.add_argument(
        "--near",
        type=_correlation,
        default=0.65,
        metavar="X",
        help="correlation from which on two frames are near-duplicates; 1: the same picture alone (default: 0.65, as in audit)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for ranking and frames; the same command goes on there"
    )


def _correlation(text: str) -> float:
    try:
        correlation = float(text)
    except ValueError:
        correlation = 0.0
    if not 0.0 < correlation <= 1.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0, at most 1")
    return correlation


def _add_quick(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for every step's output; the same command goes on there"
    )
    parser.add_argument("--minutes", type=_minutes, default=60.0, help="how long it may take, about (default: 60)")
    parser.add_argument(
        "--model", type=Path, help="release folder or checkpoint to start from (default: the newest release)"
    )
    parser.add_argument("--version", default="1.0.0", help="of the release that is made (default: 1.0.0)")
    _add_overrides(parser)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.0 < minutes <= 100_000.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected minutes above 0")
    return minutes


def _add_synthesize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backgrounds", type=Path, metavar="BACKGROUNDS", help="folder of pictures without smoke")
    parser.add_argument("--count", type=_count, default=100, metavar="N", help="how many scenes (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of all that is drawn (default: 0)")
    parser.add_argument(
        "--beside", type=Path, metavar="DATA", help="data folder whose real smoke the contact sheet shows below"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the data set")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a share between 0 and 1")
    return share


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--version", required=True, help="three numbers, as in 0.1.0")
    parser.add_argument("--name", help="name of the release (default: the configuration's)")
    parser.add_argument(
        "--evaluation", type=Path, help="report.json of `evaluate`: threshold and numbers for manifest and card"
    )
    parser.add_argument("--remark", default="", help="what the recipe does not say of this run, for the card")
    parser.add_argument("--ablation", type=Path, help="ablation.json of `ablate`: its table, for the card")
    parser.add_argument("--seeds", type=Path, help="seeds.json of `train --seeds`: its table, for the card")
    parser.add_argument("--out", type=Path, default=Path("models/released"), help="where the release folder is made")


def _add_quantising(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", type=Path, help="release folder")
    _add_data(parser, "data folder: train calibrates, val measures")
    parser.add_argument("--frames", type=int, default=304, help="frames to calibrate on (default: 304)")
    parser.add_argument(
        "--float-features",
        type=int,
        choices=(1, 2, 3, 4),
        nargs="+",
        default=(1, 2),
        help="keep the encoder in float up to this feature: more is slower and nearer to fp32; the first with which all criteria hold "
        "is taken (default: 1, then 2)",
    )
    parser.add_argument(
        "--out", type=Path, help="where the release with both models is made, if all criteria hold (default: nowhere)"
    )


if __name__ == "__main__":
    sys.exit(main())
