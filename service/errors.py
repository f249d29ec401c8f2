"""What can go wrong, one class per cause that a caller can act on; no HTTP in it (see `service.api.problems`)."""

# ruff: noqa: N818 - a name that says what was found needs no suffix

from typing import ClassVar, Final


class RequestError(Exception):
    """A frame that gets no answer; the message says what was found and what was expected.

    Attributes:
        reason: Word for the cause, from a fixed set: it becomes a metric label and the problem's type.
    """

    reason: ClassVar[str]


class NotAcceptable(RequestError):
    """No type of reply that the caller accepts can hold what he asks for."""

    reason = "not_acceptable"


class ParameterInvalid(RequestError):
    """A query parameter is unknown or has an impossible value."""

    reason = "parameter_invalid"


class MediaTypeUnsupported(RequestError):
    """The body is declared as something other than a picture in a known format."""

    reason = "media_type_unsupported"


class BodyEmpty(RequestError):
    """No byte arrived."""

    reason = "body_empty"


class BodyTooLarge(RequestError):
    """More bytes than allowed were declared or arrived."""

    reason = "body_too_large"


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""

    reason = "body_too_slow"


class FormBroken(RequestError):
    """A multipart form that is damaged, or that holds anything but the one part it should."""

    reason = "form_broken"


class FormatUnsupported(RequestError):
    """The bytes start like no JPEG, PNG or WebP file."""

    reason = "format_unsupported"


class FrameTooLarge(RequestError):
    """The file promises more work than allowed: pixels, scans, markers or chunks, or metadata."""

    reason = "frame_too_large"


class FrameShapeExtreme(RequestError):
    """The frame is too small or too elongated to be a camera's."""

    reason = "frame_shape_extreme"


class FrameAnimated(RequestError):
    """The file holds more than one frame."""

    reason = "frame_animated"


class FrameModeUnsupported(RequestError):
    """The pixels are stored in a way that has no agreed meaning here."""

    reason = "frame_mode_unsupported"


class FrameBroken(RequestError):
    """The file is truncated or damaged."""

    reason = "frame_broken"


class FrameTooSlow(RequestError):
    """The file took longer to decode than any frame should, and was given up."""

    reason = "frame_too_slow"


class ServiceFull(RequestError):
    """As many frames as allowed are being worked on or are waiting; `retry_after_s` says when to try again."""

    reason = "service_full"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Draining(RequestError):
    """The service is stopping and takes no more frames."""

    reason = "draining"


class DeadlineExceeded(RequestError):
    """The caller's deadline, or the service's own, passed before there was an answer."""

    reason = "deadline_exceeded"


class DeadlineTooShort(RequestError):
    """The caller's deadline is shorter than what a frame takes when nothing else is going on: no fault of the service."""

    reason = "deadline_too_short"


class Superseded(RequestError):
    """A newer frame of the same camera took this one's place in the queue."""

    reason = "superseded"


class InferenceFailed(RequestError):
    """The model raised, or answered with something that is no number."""

    reason = "inference_failed"


class KeyMissing(RequestError):
    """No API key was offered, or an unknown one."""

    reason = "key_missing"


class KeyInsufficient(RequestError):
    """The API key does not allow this."""

    reason = "key_insufficient"


class RateExceeded(ServiceFull):
    """The API key is used more often than it may be; `retry_after_s` says when to try again."""

    reason = "rate_exceeded"


class ModelUnavailable(RequestError):
    """The model failed and is being loaded again."""

    reason = "model_unavailable"


class ChangeRefused(RequestError):
    """The model in service was not changed; one class per cause."""


class ReleaseRefused(ChangeRefused):
    """The release to be loaded is not what it promises, or does not fit the running service."""

    reason = "release_refused"


class FilesRefused(ChangeRefused):
    """A file that was read again with the model is broken: what it said before stays in force. The model was changed."""

    reason = "files_refused"


class ReloadBusy(ChangeRefused):
    """Another change of the model is under way."""

    reason = "reload_busy"


class NothingToRollBack(ChangeRefused):
    """No earlier model is kept."""

    reason = "nothing_to_roll_back"


class CameraRefused(RequestError):
    """A question about a camera that gets no answer."""


class CameraUnknown(CameraRefused):
    """No frame of this camera was answered, or it was long ago."""

    reason = "camera_unknown"


class AlarmUnknown(CameraRefused):
    """There is no such alarm, or it was long ago."""

    reason = "alarm_unknown"


class StateUnknown(CameraRefused):
    """The store in which several processes keep the cameras' states does not answer."""

    reason = "state_unknown"


class PictureUnknown(CameraRefused):
    """No such picture of the alarm is kept."""

    reason = "picture_unknown"


class FeedbackUnwritable(CameraRefused):
    """The file that feedback goes to takes none."""

    reason = "feedback_unwritable"


class ClientGone(RequestError):
    """The caller hung up before the answer was ready."""

    reason = "client_gone"


SOME_FAILED: Final = 1
USAGE: Final = 2
UNEXPECTED: Final = 70
STOPPED: Final = 130
"""Exit codes of a command beside those of the classes below: some pictures failed; it was called wrongly; there is a fault in the
program; Ctrl-C."""


class StartError(Exception):
    """The service cannot start; the message is for a person, `exit_code` for a supervisor."""

    exit_code: ClassVar[int] = 1


class SettingsInvalid(StartError):
    """A setting has an impossible value."""

    exit_code = 2


class ModelUnusable(StartError):
    """The release is missing, altered, or does not do what its manifest promises."""

    exit_code = 3


class ProviderUnusable(StartError):
    """The required execution provider is not to be had on this machine."""

    exit_code = 4


class AddressUnusable(StartError):
    """The address cannot be bound: in use, not of this machine, or not permitted."""

    exit_code = 5


def in_one_line(error: BaseException) -> str:
    """An error in one line for a person; one that is no refusal with its kind, since its message alone may say nothing."""
    words = " ".join(str(error).split())
    if isinstance(error, (RequestError, StartError, OSError)):
        return words
    return f"unexpected {type(error).__name__}: {words}" if words else f"unexpected {type(error).__name__}"
