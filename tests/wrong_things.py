"""What a user names by mistake where a command wants something else."""

from collections.abc import Callable
from pathlib import Path

NESTED = "[" * 20_000


def _folder(path: Path) -> None:
    path.mkdir()


def _absent(path: Path) -> None:
    assert not path.exists()


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


WRONG: dict[str, Callable[[Path], None]] = {
    "nothing": _absent,
    "a folder": _folder,
    "an empty file": _bytes(b""),
    "binary junk": _bytes(bytes(range(256)) * 8),
    "half a picture": _bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40"),
    "half a JSON": _bytes(b'{"key": [1, '),
    "another JSON": _bytes(b"[1, null]"),
    "a JSON without a bottom": _bytes(NESTED.encode()),
    "a TOML without a bottom": _bytes(f"a = {NESTED}".encode()),
    "half a TOML": _bytes(b"[generator\na = "),
    "another TOML": _bytes(b"[generator]\nspeed = 3\n"),
    "Latin-1": _bytes("Hügel,Straße\n".encode("latin-1")),
    "UTF-16": _bytes("file,mask,kind,group,split\n".encode("utf-16")),
}
"""Each writes itself to a path."""
