"""Kinds of arguments: from the text to a value, or words that say what was found and what was expected."""

import argparse

from service.errors import RequestError


def output_names(text: str) -> tuple[str, ...]:
    """A comma list of outputs. Raises ArgumentTypeError."""
    from service.pipeline.options import parse_outputs

    try:
        return parse_outputs(text)
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive_seconds(text: str) -> float:
    """Seconds, more than 0. Raises ArgumentTypeError."""
    return _number_between_0_and(1e6, text, "seconds, more than 0")


def natural_number(text: str) -> int:
    """A whole number from 0 on. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 0 to 999999")
    return int(text)


def counting_number(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError."""
    if natural_number(text) == 0:
        raise argparse.ArgumentTypeError("found 0, expected a whole number from 1 to 999999")
    return natural_number(text)


def open_fraction(text: str) -> float:
    """A number between 0 and 1. Raises ArgumentTypeError."""
    return _number_between_0_and(1.0, text, "a number between 0 and 1")


def port_number(text: str) -> int:
    """A port, 0 for a free one. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a port from 0 to 65535")
    return int(text)


def _number_between_0_and(end: float, text: str, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < end:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return value
