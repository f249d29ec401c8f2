"""How a frame may be cut into tiles, by name. Free of numpy, so that a command line has it at once."""

from typing import Final, Literal

Tiles = Literal["2x2"]
TILES: Final[tuple[Tiles, ...]] = ("2x2",)
VIEWS: Final = 5
"""The whole frame and its four tiles: what a tiled frame costs, in frames."""
