"""What is measured with what, how often and for how long: a quick look, and all of it."""

from dataclasses import dataclass

CROWD = 16
"""Clients who keep every system busy."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Frames of one size, their maps at the model's size or the frame's, and so many clients."""

    width: int
    height: int
    resolution: str
    clients: int

    @property
    def frame(self) -> str:
        """As `1280x720`."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a run.

    Attributes:
        scenes: Each measured on every system in turn, `rounds` times.
        rounds: A B A B.
        seconds: Of one stretch of load; longer where more clients wait, see `stretch_s`.
        choose_s: For each of the settings of which a peer's best is taken.
        loop_s: For each of the loops without HTTP.
        folder_frames: A third of the frames that `smoke-bvm segment` is given; 0 leaves that out.
    """

    scenes: tuple[Scene, ...]
    rounds: int
    seconds: float
    choose_s: float
    loop_s: float
    folder_frames: int

    def stretch_s(self, scene: Scene) -> float:
        """Of a crowd everybody must have been answered more than once."""
        return self.seconds * max(1.0, scene.clients / 64)


_MIDDLE = (1280, 720)
QUICK = Plan(
    scenes=tuple(Scene(*_MIDDLE, "model", clients) for clients in (1, CROWD)),
    rounds=2,
    seconds=6,
    choose_s=5,
    loop_s=4,
    folder_frames=16,
)
FULL = Plan(
    scenes=(
        *(Scene(*_MIDDLE, "model", clients) for clients in (1, 4, CROWD, 64, 256)),
        *(Scene(*size, "model", CROWD) for size in ((640, 480), (1920, 1080))),
        *(Scene(*size, "frame", CROWD) for size in ((640, 480), _MIDDLE, (1920, 1080))),
    ),
    rounds=6,
    seconds=10,
    choose_s=8,
    loop_s=15,
    folder_frames=60,
)
