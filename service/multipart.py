"""A form with the one part `frame`, as browsers and `curl -F` send it: taken apart in memory, out of a body already counted."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.body import check_media_type
from service.errors import BodyEmpty, FormBroken

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MEDIA_TYPE: Final = "multipart/form-data"
PART: Final = "frame"
_STEP_BYTES: Final = 2**16
_HEADERS_MAX: Final = 8
_HEADER_MAX_BYTES: Final = 1024


def boundary_of(content_type: str) -> bytes | None:
    """What separates the parts of a form; None where the Content-Type is no form's.

    Raises:
        FormBroken: A form without a boundary.
    """
    if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        return None
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise FormBroken(f"found {MEDIA_TYPE} without a boundary, expected one in the Content-Type")
    return boundary


def take_frame(body: bytes, boundary: bytes) -> bytes:
    """The content of the part `frame`.

    Raises:
        FormBroken: The form is cut or damaged, or does not have that part and no other.
        BodyEmpty: The part is empty.
        MediaTypeUnsupported: The part is declared as something other than a picture.
    """
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks(), **_LIMITS)
        for start in range(0, len(body), _STEP_BYTES):
            parser.write(body[start : start + _STEP_BYTES])
    except FormParserError as error:
        raise FormBroken(f"found a form that is not well formed ({error}), expected one part {PART!r}") from error
    if not parts.ended:
        raise FormBroken(f"found a form without its end, expected one part {PART!r}")
    if not parts.content:
        raise BodyEmpty("found an empty part, expected a JPEG, PNG or WebP file")
    return bytes(parts.content)


_LIMITS: Final = {"max_header_count": _HEADERS_MAX, "max_header_size": _HEADER_MAX_BYTES}


@dataclass(slots=True)
class _Parts:
    """What the parser has told so far. The first part that is not the only `frame` ends the parsing."""

    content: bytearray = field(default_factory=bytearray)
    ended: bool = False
    count: int = 0
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> "MultipartCallbacks":
        """Under the parser's names for them."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self.name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self.end_header,
            "on_headers_finished": self.check,
            "on_part_data": lambda data, start, end: self.content.extend(data[start:end]),
            "on_end": self.end,
        }

    def begin(self) -> None:
        """A part begins."""
        self.count += 1
        if self.count > 1:
            raise FormBroken(f"found more than one part, expected {PART!r} alone; all else goes into the query")
        self.headers.clear()

    def end_header(self) -> None:
        """A header of the part is complete."""
        self.headers[bytes(self.name).lower()] = bytes(self.value)
        self.name.clear()
        self.value.clear()

    def check(self) -> None:
        """The part's headers are complete."""
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if (name := options.get(b"name", b"")) != PART.encode():
            raise FormBroken(f"found a part named {name[:32]!r}, expected {PART!r}")
        check_media_type(self.headers.get(b"content-type", b"").decode("latin-1"))

    def end(self) -> None:
        """The form is complete."""
        self.ended = True
