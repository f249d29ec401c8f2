"""The reply to a frame: the service's own body, and its files as arrays."""

import base64
import io
from functools import cached_property

import cv2
import numpy as np
from pydantic import ConfigDict

from models.geometry import Map, Mask
from service.api.schemas.segment import MapBody, SegmentResponse


class SegmentReply(SegmentResponse):
    """A `SegmentResponse`, and what is in its files."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    @cached_property
    def arrays(self) -> dict[str, Map | Mask]:
        """The maps that were asked for, by name: (height, width), bool for the mask, else float32, in nats or as a probability."""
        return {name: _array(name, body) for name, body in self.maps.items()}

    @property
    def overlay_file(self) -> bytes:
        """The frame with the smoke drawn on it, a JPEG or PNG file. Raises LookupError where none was asked for."""
        if self.overlay is None:
            raise LookupError("found no overlay in the reply, expected `overlay` among the outputs that were asked for")
        return base64.b64decode(self.overlay.data)


def _array(name: str, body: MapBody) -> Map | Mask:
    data = base64.b64decode(body.data)
    if body.encoding == "npz":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            values: Map | Mask = arrays[name]
        return values
    levels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    if name == "mask":
        return np.asarray(levels > 0, np.bool_)
    return np.asarray(body.minimum + levels / 255 * (body.maximum - body.minimum), np.float32)
