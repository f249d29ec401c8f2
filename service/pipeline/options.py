"""What a caller may ask for, in the words of the query string and of the command line."""

from dataclasses import dataclass
from typing import Final, Literal

from models.tile_layout import VIEWS, Tiles
from service.errors import ParameterInvalid

Resolution = Literal["model", "frame"]
MapEncoding = Literal["png", "npz"]
PictureEncoding = Literal["jpeg", "png"]
MAPS: Final = ("mask", "probability", "total", "aleatoric", "epistemic")
OVERLAY: Final = "overlay"
POLYGONS: Final = "polygons"
RLE: Final = "rle"
ALL_OUTPUTS: Final = (*MAPS, OVERLAY, POLYGONS, RLE)
DEFAULT_OUTPUTS: Final = "mask,total,aleatoric"


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """What is wanted for one frame.

    Attributes:
        outputs: Some of ALL_OUTPUTS, without repeats; may be empty where only the numbers are wanted.
        resolution: Maps at the model's square, or brought back to the frame's width and height.
        threshold: Probability from which on a pixel is smoke; None takes that of the rate.
        tiles: Look at tiles of the frame as well.
        encoding: Maps as 8-bit PNG files, or as .npz files of the model's own floats.
        overlay_encoding: The overlay as a JPEG, or without loss as a PNG file.
        false_alarm_rate: Certified share of smoke-free frames with an alarm, which chooses the threshold; None takes the manifest's.

    Raises:
        ParameterInvalid: Floats are wanted at the frame's size, which may be any, and would only be interpolated.
    """

    outputs: tuple[str, ...]
    resolution: Resolution = "model"
    threshold: float | None = None
    tiles: Tiles | None = None
    encoding: MapEncoding = "png"
    false_alarm_rate: float | None = None
    overlay_encoding: PictureEncoding = "jpeg"

    def __post_init__(self) -> None:
        if self.encoding == "npz" and self.resolution == "frame":
            raise ParameterInvalid(
                "found encoding npz with resolution frame, expected resolution model: "
                "beyond the model's square values are only interpolated"
            )

    @property
    def frames(self) -> int:
        """How many frames' work it is, at most."""
        return VIEWS if self.tiles else 1

    @property
    def at_frame_size(self) -> bool:
        """Whether something of the frame's own size is wanted."""
        return self.resolution == "frame" or not {OVERLAY, POLYGONS, RLE}.isdisjoint(self.outputs)


def parse_outputs(text: str) -> tuple[str, ...]:
    """Read a comma list such as `mask,total`.

    Raises:
        ParameterInvalid: A name is unknown.
    """
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    unknown = [name for name in names if name not in ALL_OUTPUTS]
    if unknown:
        raise ParameterInvalid(
            f"found outputs {[name[:32] for name in unknown[:4]]}, expected some of {', '.join(ALL_OUTPUTS)}"
        )
    return tuple(dict.fromkeys(names))
