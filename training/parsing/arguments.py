"""Kinds of arguments, and options that several commands have."""

import argparse
from pathlib import Path


def whole_number(text: str) -> int:
    """A whole number from 1 to 100,000. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 to 100000")
    return int(text)


def share(text: str) -> float:
    """A number between 0 and 1. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < 1.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a share between 0 and 1")
    return number


def minutes(text: str) -> float:
    """Minutes above 0. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number <= 100_000.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected minutes above 0")
    return number


def correlation(text: str) -> float:
    """A number above 0, at most 1. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number <= 1.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0, at most 1")
    return number


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """The data folders that a command reads."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        metavar="FOLDER",
        help=f"{what}; may be given several times",
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """What replaces values of the configuration."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="replace a value of the configuration",
    )


def add_folders(parser: argparse.ArgumentParser) -> None:
    """The data folders that a command is about."""
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DATA", help="data folder, of a layout in training/README.md"
    )
