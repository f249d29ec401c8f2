"""A source: whose frames it gives, from where, how often; and a frame of it. Free of pydantic, for the process that reads it."""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

Kind = Literal["rtsp", "mjpeg", "snapshot", "folder", "video", "device"]
Transport = Literal["tcp", "udp"]
FROM_URL: Final = ("rtsp", "mjpeg", "snapshot")
"""Kinds with a URL; the others have a path."""
_HIDDEN: Final = "***"


class CameraFrame(NamedTuple):
    """A picture file of a camera, and when it was taken, in seconds since 1970."""

    captured_s: float
    body: bytes


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as the operator wants it; its texts hold no secret (`shown`, `repr`), its fields do.

    Attributes:
        camera_id, view: Whose frames they are; "" for no view.
        kind: How they are read.
        address: URL, folder, file or device.
        interval_s: Between two frames.
        stall_s: A source that is silent for so long beyond the interval hangs.
        username, password: For who asks for them.
        ca_file: Certificates (PEM) that an HTTPS camera's must be signed by; None for the system's.
        transport: Of RTSP.
        keyframes: Decode nothing but key frames; None where the interval decides.
        secrets: Texts that must appear nowhere.
        after_s: Of recordings and folders: nothing taken until then is wanted.
    """

    camera_id: str
    view: str
    kind: Kind
    address: str = field(repr=False)
    interval_s: float
    stall_s: float
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    transport: Transport = "tcp"
    keyframes: bool | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    after_s: float = 0.0

    @property
    def live(self) -> bool:
        """Whether a frame that was not taken in time gives way to a newer one; those of a recording wait."""
        return self.kind != "video"

    @property
    def shown(self) -> str:
        """The address for a log: of a URL neither the user nor the query, which may hold a password too."""
        if self.kind not in FROM_URL:
            return self.redacted(self.address)
        parts = urlsplit(self.address)
        return self.redacted(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")

    def redacted(self, text: str) -> str:
        """A text without the secrets; libraries put whole URLs into their errors."""
        hidden = filter(None, (self.address if self.kind in FROM_URL else "", *self.secrets))
        for secret in sorted(hidden, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text
