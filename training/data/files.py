"""Files by their names, and what is read of them: what lies in a folder beside them is left alone, and can be counted."""

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

Form = TypeVar("Form", bound=BaseModel)
_SHOWN = 60
_MADE_OF = "made_of.txt"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class DataError(ValueError):
    """A data folder, an image or a mask is not what was expected; the message names the file."""


def write_whole(content: str | bytes, path: Path) -> None:
    """Write a file that takes its place when it is whole: one that was cut off would be taken for all there is.

    Raises:
        DataError: It names a file whose name is no UTF-8.
        OSError: It cannot be written; then nothing is left of it.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    except UnicodeEncodeError as error:
        before, after = error.object[: error.start], error.object[error.start :]
        line = before.rpartition("\n")[2] + after.partition("\n")[0]
        raise DataError(f"{line!a:.200}: found a name that is no UTF-8, expected one that is") from None
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def made(folder: Path, of: str) -> Iterator[Path | None]:
    """Where to write a folder, which is there under its name only when it is complete; None where it is there already.

    Raises DataError where it was made of something else.
    """
    made_of = folder / _MADE_OF
    if made_of.is_file() and made_of.read_text(encoding="utf-8") != of:
        raise DataError(
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


def pictures_of(folder: Path) -> list[Path]:
    """Its pictures, by name."""
    return [path for path in _inside(folder) if _is_picture(path)]


def others_of(folder: Path) -> list[Path]:
    """What else lies there."""
    return [path for path in _inside(folder) if not _is_picture(path)]


def files_of(folder: Path, suffix: str) -> list[Path]:
    """Its files of a suffix in whatever case, hidden ones left out, by name."""
    return [path for path in _inside(folder) if path.suffix.lower() == suffix and not path.name.startswith(".")]


def folders_of(folder: Path) -> list[Path]:
    """Its folders, by name, but those that are hidden, or the file system's own."""
    return [path for path in _inside(folder) if not left_alone(path.name) and path.is_dir()]


def left_alone(folder: str) -> bool:
    """Whether a folder of this name holds no data: hidden, or where a file system puts what it finds broken, which is root's alone."""
    return folder.startswith(".") or folder == "lost+found"


def by_stem(paths: Iterable[Path], tail: str = "") -> dict[str, Path]:
    """Files by their names without suffix, and without a tail that matches. Raises DataError where two have the same."""
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(re.sub(f"(?:{tail})$", "", path.stem, flags=re.IGNORECASE), path)
        if first is not path:
            raise DataError(f"{path}: of the same name as {first.name}; expected one file of a name")
    return found


def closed(error: OSError) -> NoReturn:
    """Raises DataError: what lies in a folder that cannot be looked into would be lost without a word."""
    raise DataError(f"{error.filename}: found a folder that cannot be looked into: {error.strerror}") from error


def expect_file(path: Path) -> None:
    """Raises DataError where there is no file: whoever opens a named pipe waits until its other side is opened."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"{path}: not found") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: found a folder, a pipe or a device, expected a file")


def text_of(path: Path) -> str:
    """The text of a file, in UTF-8 with or without a mark at its beginning. Raises DataError."""
    expect_file(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: found a byte 0x{error.object[error.start]:02x}, expected UTF-8") from error


def json_of(path: Path) -> object:
    """What a JSON file holds. Raises DataError."""
    text = text_of(path)
    try:
        return from_json(text)
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}") from error


def expect_form(form: type[Form], content: object, path: Path) -> Form:
    """The content in that form. Raises DataError, which says what was found where."""
    try:
        return form.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path}: {where}: {first['msg']}, found {str(first['input'])[:_SHOWN]!r}") from error


def _inside(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where there is none. Raises DataError where it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        closed(error)


def _is_picture(path: Path) -> bool:
    """Not what file browsers leave behind, such as `Thumbs.db`, `.DS_Store` and `._a.jpg`."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
