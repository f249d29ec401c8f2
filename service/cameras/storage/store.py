"""What keeps the cameras' states, and the one that keeps them in this process alone."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from service.cameras.camera import Camera

Told = TypeVar("Told")


class CameraStore(Protocol):
    """Keeps the cameras' states. Whatever it is asked raises StateUnknown where they cannot be had."""

    async def exchange(self, camera: Camera, change: Callable[[Camera], Told]) -> tuple[Camera, Told]:
        """Change a camera as if nobody else did at the time.

        Args:
            camera: As this process knows it: where the change begins if the store knows no such camera.
            change: Writes to the camera that it is given. Where another change came first it is called again, with that one's
                outcome, and nothing but its last call counts; so it must do nothing else.

        Returns:
            The camera as it is now, and what the change returned.
        """
        ...

    async def news(self, versions: Mapping[str, int], room: int) -> list[Camera]:
        """The cameras that others have changed since; `versions` are those known here, by camera, and of others come at most `room`."""
        ...

    async def forget(self, camera_id: str) -> None:
        """Forget a camera that is gone for good."""
        ...


class ProcessStore:
    """The cameras are what this process knows of them."""

    async def exchange(self, camera: Camera, change: Callable[[Camera], Told]) -> tuple[Camera, Told]:
        """Change a camera: nobody else changes it."""
        return camera, change(camera)

    async def news(self, versions: Mapping[str, int], room: int) -> list[Camera]:  # noqa: ARG002 - nobody else changes them
        """No cameras: nobody else changes them."""
        return []

    async def forget(self, camera_id: str) -> None:
        """Do nothing: what this process knows is all there is."""
