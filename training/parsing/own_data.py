"""Options of the commands on a data set of one's own."""

import argparse
from pathlib import Path

from training.parsing.arguments import add_folders, add_overrides, correlation, minutes, seed, share, whole_number


def add_audit(parser: argparse.ArgumentParser) -> None:
    """`audit`."""
    add_folders(parser)
    parser.add_argument(
        "--model",
        type=Path,
        help="checkpoint or release that says which masks it finds unlikely (a tenth of a second a frame)",
    )
    parser.add_argument("--table", action="store_true", help="print the row of the paper's Table 1 alone")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/audit"), help="folder for the report (default: runs/audit)"
    )


def add_split(parser: argparse.ArgumentParser) -> None:
    """`split`."""
    add_folders(parser)
    parser.add_argument(
        "--by",
        choices=("group", "name", "folder", "scene"),
        default="group",
        help="what belongs together beside near-duplicates: group of the manifest, name without counters, folder (default: group)",
    )
    parser.add_argument("--val", type=share, default=0.2, help="share of the frames for val (default: 0.2)")
    parser.add_argument("--seed", type=seed, default=0, help="of the order in which groups are drawn (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder for manifest.csv, and masks of what was drawn")


def add_rank(parser: argparse.ArgumentParser) -> None:
    """`rank`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures, in folders however deep")
    parser.add_argument("--model", type=Path, help="release folder or checkpoint (default: the newest release)")
    parser.add_argument("--count", type=whole_number, default=50, metavar="N", help="how many frames (default: 50)")
    parser.add_argument(
        "--labelled",
        type=Path,
        action="append",
        metavar="DATA",
        help="data folder of frames that are labelled: what is like one of them is left out; may be given several times",
    )
    parser.add_argument(
        "--near",
        type=correlation,
        default=0.65,
        metavar="X",
        help="correlation from which on two frames are near-duplicates; 1: the same picture alone (default: 0.65, as in audit)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for ranking and frames; the same command goes on there"
    )


def add_quick(parser: argparse.ArgumentParser) -> None:
    """`quick`."""
    add_folders(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for every step's output; the same command goes on there"
    )
    parser.add_argument("--minutes", type=minutes, default=60.0, help="how long it may take, about (default: 60)")
    parser.add_argument(
        "--model", type=Path, help="release folder or checkpoint to start from (default: the newest release)"
    )
    parser.add_argument("--version", default="1.0.0", help="of the release that is made (default: 1.0.0)")
    add_overrides(parser)


def add_synthesize(parser: argparse.ArgumentParser) -> None:
    """`synthesize`."""
    parser.add_argument("backgrounds", type=Path, metavar="BACKGROUNDS", help="folder of pictures without smoke")
    parser.add_argument("--count", type=whole_number, default=100, metavar="N", help="how many scenes (default: 100)")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="of all that is drawn (default: 0)")
    parser.add_argument(
        "--beside", type=Path, metavar="DATA", help="data folder whose real smoke the contact sheet shows below"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the data set")
