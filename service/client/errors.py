"""What a call of the client can end with; each message has the words of the service's problem body."""

# ruff: noqa: N818 - a name that says what was found needs no suffix

from collections.abc import Mapping
from typing import Final


class ClientError(Exception):
    """A call that got no answer."""


class ServiceUnreachable(ClientError):
    """No connection, or one that broke off."""


class ReplyUnreadable(ClientError):
    """An answer that is not of this interface: another program answers there, or another version."""


class DeadlinePassed(ClientError):
    """No answer within the call's deadline, or none to be expected within what is left of it."""


class Refused(ClientError):
    """The service said no.

    Attributes:
        status: Of HTTP.
        reason: Word for the cause, as in the metrics; the status where no problem body came.
        detail: What was found and what was expected.
        request_id: To be found in the service's log; empty where none came.
        retry_after_s: When to come again, if that was said.
    """

    def __init__(
        self, status: int, reason: str, detail: str, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status} {reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class CallRefused(Refused):
    """400, 413, 415, 422: this frame, or what was asked of it, cannot be answered; nor can it when it is sent again."""


class KeyRefused(Refused):
    """401, 403: no valid key, or one that does not allow this."""


class NotThere(Refused):
    """404: no such camera, alarm or route."""


class FrameSuperseded(Refused):
    """409: a newer frame of the camera took this one's place (`latest=True`); no fault."""


class TooSlow(Refused, DeadlinePassed):
    """408, 504: the service says that the body did not arrive, or the answer was not ready, in time."""


class ServiceBusy(Refused):
    """429: full, or the key's rate is used up."""


class ServiceUnavailable(Refused):
    """503: stopping, starting, or rebuilding its model."""


class ServiceFailed(Refused):
    """500 and the like: the service failed on the frame."""


_CLASSES: Final[Mapping[int, type[Refused]]] = {
    **dict.fromkeys((400, 413, 415, 422), CallRefused),
    **dict.fromkeys((401, 403), KeyRefused),
    404: NotThere,
    **dict.fromkeys((408, 504), TooSlow),
    409: FrameSuperseded,
    429: ServiceBusy,
    503: ServiceUnavailable,
}


def refusal_class(status: int) -> type[Refused]:
    """The class for a status that is no success."""
    return _CLASSES.get(status, ServiceFailed if status >= 500 else CallRefused)
