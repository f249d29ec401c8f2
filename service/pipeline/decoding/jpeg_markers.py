"""What the markers of a JPEG file say of it, read in one pass before anything decodes: a file that would cost too much stops here.

A decoder goes over every pixel of a scan again, however few bytes the scan has: 17,000 empty scans of a large frame take half an hour.
Ordinary files have one scan, progressive ones about ten.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from service.errors import FrameBroken, FrameTooLarge

SCANS_MAX: Final = 100
FULL_SCANS_MAX: Final = 16
"""Scans of a frame of the most pixels; a smaller frame may have more, up to `SCANS_MAX`."""
MARKERS_MAX: Final = 1_000
STRAY_BYTES_MAX: Final = 64 * 1024
METADATA_BYTES_MAX: Final = 8 * 2**20
"""Thermal cameras add a megabyte of raw values, phones previews and profiles."""

# Not a byte of a scan (0xff 0x00), a restart (0xd0 to 0xd7), a fill byte (0xff 0xff), nor what no file has (below 0xc0): a decoder
# goes on behind these too, so that nothing can hide there.
_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _APP1, _COMMENT = 0xD8, 0xD9, 0xDA, 0xE1, 0xFE
_APPLICATION: Final = range(0xE0, 0xF0)
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
PROFILE: Final = b"ICC_PROFILE\0"


@dataclass(slots=True)
class JpegStructure:
    """What was found.

    Attributes:
        width, height, components: As the frame header promises; 0 where there is none.
        scans: How often a decoder goes over the pixels.
        ended: The last marker is there; else the file was cut.
        exif, xmp: The first block of each.
        profiled: It holds a colour profile, or a part of one.
    """

    width: int = 0
    height: int = 0
    components: int = 0
    scans: int = 0
    ended: bool = False
    exif: bytes = b""
    xmp: bytes = b""
    profiled: bool = False
    _markers: int = field(default=0, repr=False)
    _stray_bytes: int = field(default=0, repr=False)
    _metadata_bytes: int = field(default=0, repr=False)

    @classmethod
    def read(cls, body: bytes, pixels_max: int) -> "JpegStructure":
        """Read the markers up to the end of the picture; what is behind it is left alone.

        Args:
            body: A file that starts as a JPEG does.
            pixels_max: Most pixels of a frame.

        Raises:
            FrameTooLarge: Too many scans, for its pixels or at all, too many markers, or too much metadata.
            FrameBroken: Too many bytes that belong to nothing, or two frame headers.
        """
        found, at, in_scan = cls(), 2, False
        while not found.ended and (marker := _MARKER.search(body, at)):
            found._take_stray(0 if in_scan else marker.start() - at)
            code, at = body[marker.end() - 1], marker.end()
            in_scan = code == _SOS
            if code == _EOI:
                found.ended = True
            elif code != _SOI:
                end = at + max(2, int.from_bytes(body[at : at + 2], "big"))
                found._take(code, body[at + 2 : end], pixels_max)
                at = end
        return found

    def _take_stray(self, stray_bytes: int) -> None:
        self._markers += 1
        self._stray_bytes += stray_bytes
        if self._markers > MARKERS_MAX:
            raise FrameTooLarge(f"found a JPEG file of more than {MARKERS_MAX} markers, expected at most so many")
        if self._stray_bytes > STRAY_BYTES_MAX:
            raise FrameBroken(
                f"found a JPEG file with {self._stray_bytes} bytes between its parts, expected at most {STRAY_BYTES_MAX}"
            )

    def _take(self, code: int, data: bytes, pixels_max: int) -> None:
        """Take in one marker and what belongs to it."""
        if code in _FRAME_HEADERS and len(data) > 5:
            self._take_frame_header(data)
        elif code == _SOS:
            self._take_scan(pixels_max)
        elif code in _APPLICATION or code == _COMMENT:
            self._take_metadata(code, data)

    def _take_frame_header(self, data: bytes) -> None:
        """A decoder goes by the first, and would take a second one for broken only once it has all pixels of the first."""
        if self.components:
            raise FrameBroken("found a JPEG file with two frame headers, expected one")
        self.height, self.width = int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
        self.components = data[5]

    def _take_scan(self, pixels_max: int) -> None:
        self.scans += 1
        full = FULL_SCANS_MAX * pixels_max // max(1, self.width * self.height)
        most = min(SCANS_MAX, max(FULL_SCANS_MAX, full))
        if self.scans > most:
            raise FrameTooLarge(
                f"found a JPEG file of more than {most} scans of {self.width} x {self.height} pixels, "
                "expected at most so many"
            )

    def _take_metadata(self, code: int, data: bytes) -> None:
        self._metadata_bytes += len(data)
        if self._metadata_bytes > METADATA_BYTES_MAX:
            raise FrameTooLarge(
                f"found a JPEG file with {self._metadata_bytes} bytes of metadata, expected at most {METADATA_BYTES_MAX}"
            )
        if code == _APP1 and data.startswith(_EXIF):
            self.exif = self.exif or data
        elif code == _APP1 and data.startswith(_XMP):
            self.xmp = self.xmp or data
        elif data.startswith(PROFILE):
            self.profiled = True
