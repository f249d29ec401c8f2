"""Data folders that a command makes of others: complete under their name or not there, and never of something else than now."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from training.audit.split import write_split
from training.commands.ablate import AblationError
from training.data.frames import Frame

_MADE_OF = "made_of.txt"


@contextmanager
def made(folder: Path, of: str) -> Iterator[Path | None]:
    """Where to write a data folder, which is there under its name only when it is complete; None where it is there already.

    Raises AblationError where it was made of something else.
    """
    made_of = folder / _MADE_OF
    if made_of.is_file() and made_of.read_text(encoding="utf-8") != of:
        raise AblationError(
            f"{folder}: found a folder made of other frames or by another model than those of now; choose another --out"
        )
    if folder.exists():
        yield None
        return
    begun = folder.with_name(f"{folder.name}-begun")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    yield begun
    (begun / _MADE_OF).write_text(of, encoding="utf-8")
    begun.rename(folder)


def write_data(folder: Path, train: Sequence[Frame], val: Sequence[Frame]) -> None:
    """A `manifest.csv` that leaves pictures where they are."""
    write_split([(split, frame.group, frame) for split, of in (("train", train), ("val", val)) for frame in of], folder)
