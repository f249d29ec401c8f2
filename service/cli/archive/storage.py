"""Folders on disk and in object stores, alike: Arrow's file systems, with every path relative to the folder."""

from pathlib import Path, PurePath, PurePosixPath

from pyarrow import ArrowInvalid
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, SubTreeFileSystem

from service.cli.pictures import collect
from service.errors import BodyTooLarge, SettingsInvalid
from service.sources.picture_files import is_picture, natural


def open_folder(name: str) -> SubTreeFileSystem:
    """A folder by its path, or by a URI such as `s3://bucket/north`; it need not exist.

    Who we are to an object store, and where that is, is read from the variables that its own tools read (`AWS_*`).

    Raises:
        SettingsInvalid: The URI is of no store that is known here, or the store does not answer.
    """
    try:
        if "://" in name:
            filesystem, root = FileSystem.from_uri(name)
        else:
            filesystem, root = LocalFileSystem(), Path(name).resolve().as_posix()
    except (ArrowInvalid, OSError) as error:
        raise SettingsInvalid(f"{name}: {error}; expected a folder, or a URI such as s3://bucket/north") from error
    return SubTreeFileSystem(root, filesystem)


def pictures_below(folder: SubTreeFileSystem, out: SubTreeFileSystem) -> list[str]:
    """Every picture by its name, in the order in which a person counts; what lies in `out` is left alone.

    Raises:
        OSError: The folder is not there, or cannot be listed.
    """
    found = folder.get_file_info(FileSelector("", recursive=not _on_disk(folder)))
    if _on_disk(folder):  # Arrow does not end where a link leads in a circle.
        root = Path(folder.base_path)
        pictures = collect([root], Path(out.base_path) if _on_disk(out) else None).pictures
        return [path.relative_to(root).as_posix() for path in pictures]
    inside = _below(folder, out)
    names = [info.path for info in found if info.type == FileType.File]
    paths = [Path(name) for name in names if is_picture(Path(name)) and not _is_in(inside, name)]
    return [path.as_posix() for path in sorted(paths, key=natural)]


def _on_disk(folder: SubTreeFileSystem) -> bool:
    return bool(folder.base_fs.type_name == LocalFileSystem().type_name)


def _below(folder: SubTreeFileSystem, out: SubTreeFileSystem) -> PurePath | None:
    root, written = PurePosixPath(folder.base_path), PurePosixPath(out.base_path)
    same = folder.base_fs.type_name == out.base_fs.type_name and written.is_relative_to(root)
    return written.relative_to(root) if same else None


def _is_in(inside: PurePath | None, name: str) -> bool:
    return inside is not None and PurePosixPath(name).is_relative_to(inside)


def files_in(folder: SubTreeFileSystem, below: str) -> list[str]:
    """Names of the files in a folder of the folder, in order; none where it is not there."""
    found = folder.get_file_info(FileSelector(below, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == FileType.File and not info.base_name.startswith("."))


def read_whole(folder: SubTreeFileSystem, name: str, most_bytes: int) -> bytes:
    """The bytes of a file. Raises OSError, and BodyTooLarge."""
    with folder.open_input_stream(name) as stream:
        body: bytes = stream.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise BodyTooLarge(f"found more than {most_bytes} bytes, expected at most that")
    return body


def write_file(folder: SubTreeFileSystem, name: str, data: bytes) -> None:
    """A reader sees all of it or none: it takes its place once it is written. Raises OSError."""
    path = PurePosixPath(name)
    fresh = str(path.with_name(f".{path.name}.new"))
    folder.create_dir(str(path.parent))
    with folder.open_output_stream(fresh) as stream:
        stream.write(data)
    folder.move(fresh, name)
