"""The command line `smoke-bvm-train`: a model from data to release, and what is looked at on the way."""

import argparse
import os
import sys
from collections.abc import Sequence

from training.parsing import models, own_data

_UNEXPECTED, _STOPPED = 70, 130
_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""glibc keeps freed memory: without it, page faults cost half of a CPU step (measured, see training/README.md)."""
_COMMANDS = (
    ("train", models.add_train, "train a configuration, or go on with a run"),
    ("ablate", models.add_ablate, "train a configuration and variants of it on equal samples, and compare"),
    (
        "compare",
        models.add_compare,
        "train networks of a library and a configuration of ours on equal terms, and compare",
    ),
    ("evaluate", models.add_evaluate, "score a checkpoint or a release"),
    ("calibrate", models.add_calibrate, "hold the alarms that people judged against the thresholds of a release"),
    ("audit", own_data.add_audit, "look at a data set before training: faults, duplicates, leaks, sizes"),
    ("split", own_data.add_split, "write a manifest.csv whose val has no scene, camera or event of train"),
    ("rank", own_data.add_rank, "which frames of a folder to label next, with smoke drawn already"),
    ("quick", own_data.add_quick, "from a folder of frames to a model of one's own, and whether to use it: all in one"),
    ("synthesize", own_data.add_synthesize, "render smoke, fog, low cloud and dust over pictures, with masks"),
    ("export", models.add_export, "write a release, or nothing"),
    ("quantise", models.add_quantise, "measure an int8 or fp16 form of a release, and write one with both"),
)
"""Name, what adds its options, and what it does, in the order of the help."""


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
    finally:
        _drop_unwritten()


def _drop_unwritten() -> None:
    """A help that nobody reads to its end, Python would write again as it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    for name, add_options, does in _COMMANDS:
        add_options(commands.add_parser(name, help=does))
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("smoke-bvm")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
