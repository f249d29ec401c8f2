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
    return _whole_number(text, 0, 999_999)


def counting_number(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError."""
    return _whole_number(text, 1, 999_999)


def port_number(text: str) -> int:
    """A port, 0 for a free one. Raises ArgumentTypeError."""
    return _whole_number(text, 0, 65_535, "a port")


def open_fraction(text: str) -> float:
    """A number between 0 and 1. Raises ArgumentTypeError."""
    return _number_between_0_and(1.0, text, "a number between 0 and 1")


def _whole_number(text: str, least: int, most: int, called: str = "a whole number") -> int:
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else -1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {called} from {least} to {most}")
    return value


def _number_between_0_and(end: float, text: str, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < end:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return value
