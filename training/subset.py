"""A list of frames, as the paper's Total and Difficult are: one path a line, as the manifest's column `file` has it."""

from collections.abc import Sequence
from pathlib import Path

from training.data.smoke5k import DataError, Frame


def choose(frames: Sequence[Frame], data: Path, subset: Path) -> list[Frame]:
    """The frames that a list names, in its order; each once.

    Args:
        frames: To choose from: those of a split.
        data: Data folder, to which the names are relative.
        subset: Text file; empty lines are skipped.

    Raises:
        DataError: The list cannot be read, names nothing, or names a frame that is not there.
    """
    try:
        names = [line.strip() for line in subset.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{subset}: no list of frames: {error}") from error
    known = {frame.image: frame for frame in frames}
    unknown = [name for name in names if data / name not in known]
    if unknown:
        raise DataError(
            f"{subset}: {len(unknown)} of {len(names)} names are of no frame of the split, the first is {unknown[0]!r}; expected "
            "paths as in the manifest's column file"
        )
    if not names:
        raise DataError(f"{subset}: names no frame")
    return [known[data / name] for name in dict.fromkeys(names)]
