"""Permits at the door: how many requests, bytes of bodies and decoded pixels may be in flight, and how many of a camera.

A request for tiles counts as as many requests as it has views.
"""

import threading
from collections import Counter
from dataclasses import dataclass

from service.errors import ClientGone, ServiceFull


class Budget:
    """An amount in use that never passes its ceiling. Safe from several threads.

    Args:
        unit: What is counted, for messages.
        most: The ceiling.
    """

    def __init__(self, unit: str, most: int) -> None:
        self.most = most
        self._unit = unit
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """How much is in use."""
        return self._used

    def take(self, amount: int) -> None:
        """Use some.

        Raises:
            ServiceFull: There is not that much left.
        """
        with self._lock:
            if self._used + amount > self.most:
                raise ServiceFull(
                    f"found {self._used} {self._unit} in flight, expected at most {self.most - amount} to take {amount} more"
                )
            self._used += amount

    def give_back(self, amount: int) -> None:
        """Use less."""
        with self._lock:
            self._used -= amount


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Most requests, requests of one camera, bytes and pixels in flight."""

    requests: int
    camera_requests: int
    bytes: int
    pixels: int


class Permits:
    """What is in flight. Requests come and go on the event loop's thread; pixels are held from any."""

    def __init__(self, ceilings: Ceilings) -> None:
        self.requests = Budget("requests", ceilings.requests)
        self.bytes = Budget("bytes", ceilings.bytes)
        self.pixels = Budget("pixels", ceilings.pixels)
        self._camera_requests = ceilings.camera_requests
        self._cameras: Counter[str] = Counter()

    def enter(self, body_bytes: int, camera: str | None, frames: int = 1) -> "Place":
        """Take a place for a request of so many frames whose body was not read yet.

        Raises:
            ServiceFull: One of the ceilings is reached.
        """
        self._check_camera(camera, frames)
        if self.pixels.used >= self.pixels.most:
            raise ServiceFull(f"found {self.pixels.used} pixels in flight, expected fewer")
        self.requests.take(frames)
        try:
            self.bytes.take(body_bytes)
        except ServiceFull:
            self.requests.give_back(frames)
            raise
        if camera is not None:
            self._cameras[camera] += frames
        return Place(self, body_bytes, camera, frames)

    def forget(self, camera: str | None, frames: int) -> None:
        """A request of this camera left."""
        if camera is None:
            return
        self._cameras[camera] -= frames
        if not self._cameras[camera]:
            del self._cameras[camera]

    def _check_camera(self, camera: str | None, frames: int) -> None:
        """A camera that floods must leave room for the others; frames without a camera are nobody's in particular."""
        if camera is not None and self._cameras[camera] + frames > self._camera_requests:
            raise ServiceFull(
                f"found {self._cameras[camera]} requests of camera {camera} in flight, "
                f"expected fewer than {self._camera_requests - frames + 1}"
            )


class Place:
    """One request's share; `leave` gives all of it back, once."""

    def __init__(self, permits: Permits, body_bytes: int, camera: str | None, frames: int) -> None:
        self._permits = permits
        self._frames = frames
        self._camera = camera
        self._bytes = body_bytes
        self._pixels = 0
        self._left = False
        self._lock = threading.Lock()

    def settle_bytes(self, body_bytes: int) -> None:
        """The body has arrived and is this long, which is no more than was taken for it."""
        self._permits.bytes.give_back(self._bytes - body_bytes)
        self._bytes = body_bytes

    def hold_pixels(self, pixels: int) -> None:
        """Hold a frame's pixels, instead of what was held before, until the request leaves. Called by the decoder's thread.

        Raises:
            ServiceFull: Too many are in flight.
            ClientGone: The request has left meanwhile, so that the frame need not be decoded.
        """
        with self._lock:
            if self._left:
                raise ClientGone("the caller left before the frame was decoded")
            more = pixels - self._pixels
            if more > 0:
                self._permits.pixels.take(more)
            else:
                self._permits.pixels.give_back(-more)
            self._pixels = pixels

    def leave(self) -> None:
        """Give everything back."""
        with self._lock:
            self._left = True
            self._permits.pixels.give_back(self._pixels)
        self._permits.bytes.give_back(self._bytes)
        self._permits.requests.give_back(self._frames)
        self._permits.forget(self._camera, self._frames)
