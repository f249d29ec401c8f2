"""Picture files by their first and last bytes; what they show is not looked at here."""

from typing import Final

from service.sources.readers.pace import ReadingFailed

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_RIFF, _WEBP = b"RIFF", b"WEBP"
_TAIL_BYTES: Final = 4096
"""Cameras write a little behind the end of a picture."""


def check_picture(body: bytes, called: str) -> bytes:
    """A body, if it begins as a picture does; `called` is what it came as. Raises ReadingFailed."""
    if not body.startswith((_JPEG, _PNG)) and (body[:4], body[8:12]) != (_RIFF, _WEBP):
        raise ReadingFailed(f"found {len(body)} bytes of {called or 'no type'}, expected a JPEG, PNG or WebP file")
    return body


def is_whole(body: bytes) -> bool:
    """Whether a file that is being written has its end."""
    if body.startswith(_JPEG):
        return b"\xff\xd9" in body[-_TAIL_BYTES:]
    if body.startswith(_PNG):
        return b"IEND" in body[-_TAIL_BYTES:]
    return body[:4] == _RIFF and len(body) >= 8 + int.from_bytes(body[4:8], "little")
