"""What the chunks of a PNG or WebP file may cost, told in one pass over their headers before anything decodes.

A JPEG file's markers: `service.pipeline.decoding.jpeg_markers`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.errors import FrameTooLarge
from service.pipeline.decoding.jpeg_markers import METADATA_BYTES_MAX

PNG_CHUNKS_MAX: Final = 10_000
"""An encoder writes the pixels in chunks of 8 KB or more."""
METADATA_CHUNKS_MAX: Final = 100
_PNG_SIGNATURE_BYTES: Final = 8
_WEBP_HEADER_BYTES: Final = 12
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"VP8 ", b"VP8L", b"VP8X", b"ALPH"})
# An animation is refused as one, however long it is.
_KNOWN: Final = _PIXELS | {b"acTL", b"fcTL", b"fdAT", b"ANIM", b"ANMF"}


@dataclass(frozen=True, slots=True)
class PngStructure:
    """What its chunks say of the depth of a PNG file.

    Attributes:
        depth: Bits that each sample is stored in.
        significant: Bits of them that carry something (chunk sBIT), the most of any channel; `depth` where none is declared.
    """

    depth: int
    significant: int

    @classmethod
    def read(cls, body: bytes) -> "PngStructure":
        """Look through a file that starts as a PNG does.

        Raises:
            FrameTooLarge: Too many chunks, or too much beside the pixels.
        """
        depth = body[24] if len(body) > 24 else 0
        significant = depth
        walked = _Walked("PNG")
        for kind, at, length in _png_chunks(body):
            walked.take(kind, length)
            if kind == b"sBIT":
                significant = max(body[at : at + min(length, 4)], default=depth)
        return cls(depth, significant)


def check_webp(body: bytes) -> None:
    """Look through a file that starts as a WebP does.

    Raises:
        FrameTooLarge: Too many chunks, or too much beside the pixels.
    """
    walked = _Walked("WEBP")
    for kind, length in _webp_chunks(body):
        walked.take(kind, length)


def _png_chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of each chunk, up to the last."""
    at, kind = _PNG_SIGNATURE_BYTES, b""
    while kind != b"IEND" and at + 8 <= len(body):
        length, kind = struct.unpack_from(">L4s", body, at)
        yield kind, at + 8, length
        at += 12 + length


def _webp_chunks(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk within the container."""
    at, end = _WEBP_HEADER_BYTES, min(len(body), 8 + int.from_bytes(body[4:8], "little"))
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sL", body, at)
        yield kind, length
        at += 8 + length + length % 2


class _Walked:
    """How many chunks went by, and how much of them was no pixels."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._chunks = self._metadata_chunks = self._metadata_bytes = 0

    def take(self, kind: bytes, length: int) -> None:
        self._chunks += 1
        if kind not in _KNOWN:
            self._metadata_chunks += 1
            self._metadata_bytes += length
        for found, most, what in (
            (self._chunks, PNG_CHUNKS_MAX, "chunks"),
            (self._metadata_chunks, METADATA_CHUNKS_MAX, "chunks beside the pixels"),
            (self._metadata_bytes, METADATA_BYTES_MAX, "bytes beside the pixels"),
        ):
            if found > most:
                raise FrameTooLarge(f"found a {self._name} file of {found} {what}, expected at most {most}")
