"""All that is known of a camera as JSON, and back: what it will make of the next frame is the same on either side.

A field that an earlier version did not write takes its default, and one that is no longer read is passed over, so that two versions can
share a store while one takes the other's place.
"""

from typing import Final

from pydantic import ConfigDict, TypeAdapter

from service.cameras.camera import Camera

_CAMERA: Final = TypeAdapter(tuple[Camera], config=ConfigDict(ser_json_inf_nan="constants"))
"""In a tuple: a dataclass of its own takes no configuration."""


def camera_to_json(camera: Camera) -> bytes:
    """A camera as JSON."""
    return _CAMERA.dump_json((camera,))


def camera_from_json(text: bytes | str) -> Camera:
    """The camera as it was. Raises ValueError on what is none."""
    return _CAMERA.validate_json(text)[0]
