"""`smoke-bvm completion`: what a shell is to read so that it completes commands, options and names of files."""

import argparse
from pathlib import Path

import shtab


def print_completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the script for `bash`, `zsh` or `tcsh`; returns the exit code."""
    _complete_files(parser)
    print(shtab.complete(parser, shell))  # noqa: T201 - for the shell to read
    return 0


def _complete_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # noqa: SLF001 - argparse tells of its arguments in no other way
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for inner in action.choices.values():
                _complete_files(inner)
