"""Kinds of arguments, and options that several commands have."""

import argparse
from collections.abc import Callable
from pathlib import Path

_DATA = "data folder, of a layout in training/README.md"


def whole_number(text: str) -> int:
    """A whole number from 1 to 100,000. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 to 100000")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 to 4,294,967,295. Raises ArgumentTypeError."""
    if not (text.isdecimal() and len(text) <= 10 and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 0 to {2**32 - 1}")
    return int(text)


def share(text: str) -> float:
    """A number between 0 and 1. Raises ArgumentTypeError."""
    return _number(text, lambda number: 0.0 < number < 1.0, "a share between 0 and 1")


def minutes(text: str) -> float:
    """Minutes above 0. Raises ArgumentTypeError."""
    return _number(text, lambda number: 0.0 < number <= 100_000.0, "minutes above 0")


def correlation(text: str) -> float:
    """A number above 0, at most 1. Raises ArgumentTypeError."""
    return _number(text, lambda number: 0.0 < number <= 1.0, "a number above 0, at most 1")


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not fits(number):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return number


def add_data(parser: argparse.ArgumentParser, what: str = _DATA) -> None:
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
    parser.add_argument("folders", type=Path, nargs="+", metavar="DATA", help=_DATA)
