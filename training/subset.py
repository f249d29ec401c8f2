"""A list of frames, as the paper's Total and Difficult are: one path a line, as the manifest's column `file` has it."""

from collections.abc import Sequence
from pathlib import Path

from training.data.smoke5k import DataError, Folders, Frame


def choose(frames: Sequence[Frame], data: Folders, subset: Path) -> list[Frame]:
    """The frames that a list names, in its order; each once.

    Args:
        frames: To choose from: those of a split.
        data: Data folder or folders, to one of which each name is relative.
        subset: Text file; empty lines are skipped.

    Raises:
        DataError: The list cannot be read, names nothing, or names a frame that is not there.
    """
    try:
        names = [line.strip() for line in subset.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{subset}: no list of frames: {error}") from error
    roots = [data] if isinstance(data, Path) else data
    known = {frame.image: frame for frame in frames}
    found = {name: known[root / name] for name in names for root in roots if root / name in known}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DataError(
            f"{subset}: {len(unknown)} of {len(names)} names are of no frame of the split, the first is {unknown[0]!r}; expected "
            "paths as in the manifest's column file"
        )
    if not names:
        raise DataError(f"{subset}: names no frame")
    return [found[name] for name in dict.fromkeys(names)]
