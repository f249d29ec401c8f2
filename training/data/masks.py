"""What a mask says: of its two values the larger is smoke, whether they are written as 0 and 1, as 0 and 255 or as colours."""

import numpy as np
import numpy.typing as npt

from models.geometry import Map

_SHOWN = 6
Pixels = npt.NDArray[np.generic]


def smoke_of(pixels: Pixels) -> Map:
    """Where there is smoke, (height, width) float32 of 0.0 and 1.0.

    Of two greys the brighter is smoke, of two colours the one that is not black. What is transparent is no smoke, whatever its colour,
    and of two opacities of one colour the larger is smoke. A mask of one value alone is all smoke, or none if that value is 0.

    Args:
        pixels: (height, width), or (height, width, 3 or 4) in OpenCV's order; of any depth.

    Raises:
        ValueError: There are more values than two, or two colours of which none is black.
    """
    values = _one_plane(pixels)
    low, high = values.min(), values.max()
    if not np.all((values == low) | (values == high)):
        raise ValueError(
            f"found the values {_listed(values.reshape(-1, 1))}; expected two, of which the larger is smoke"
        )
    smoke = values == high if high > 0 else np.zeros(values.shape, np.bool_)
    return smoke.astype(np.float32)


def strokes_of(pixels: Pixels) -> tuple[Map, Map]:
    """Of scribbles 1 is smoke, 2 is background, and of 0 nothing is known.

    Source of the values: Zhang et al. 2020, «Weakly-Supervised Salient Object Detection via Scribble Annotations».

    Args:
        pixels: (height, width), the indices where there is a palette; or (height, width, channels) of which all colours are alike.

    Returns:
        Where strokes are on smoke, and where there are any, each (height, width) float32 of 0.0 and 1.0.

    Raises:
        ValueError: There are other values, or no stroke on smoke.
    """
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    coloured = pixels.ndim == 3 and not (pixels[..., :3] == pixels[..., :1]).all()
    if coloured or not np.isin(grey, (0, 1, 2)).all():
        shown = pixels.reshape(-1, pixels.shape[2])[:, [2, 1, 0]] if coloured else grey.reshape(-1, 1)
        raise ValueError(f"found the values {_listed(shown)}; expected scribbles of 0 unknown, 1 smoke, 2 background")
    smoke = grey == 1
    if not smoke.any():
        raise ValueError("found no stroke on smoke; expected scribbles of 0 unknown, 1 smoke, 2 background")
    return smoke.astype(np.float32), (grey != 0).astype(np.float32)


def _one_plane(pixels: Pixels) -> Pixels:
    """The plane (height, width) that tells smoke from what is none. Raises ValueError where several could."""
    if pixels.ndim == 2:
        return pixels
    colours, opacity = pixels[..., :3], pixels[..., 3:]
    if opacity.size and opacity.min() != opacity.max():
        shown = colours[opacity[..., 0] != 0]
        if opacity.min() == 0 or (shown == shown[0]).all():
            _expect_one_colour(pixels, shown)
            return opacity[..., 0]
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    lit: Pixels = np.asarray(colours.any(axis=2))
    _expect_one_colour(pixels, colours[lit])
    return lit


def _expect_one_colour(pixels: Pixels, colours: Pixels) -> None:
    if not (colours == colours[0]).all():
        raise ValueError(
            f"found the colours {_listed(pixels.reshape(-1, pixels.shape[2]))}; expected black, and one that is smoke"
        )


def _listed(values: Pixels) -> str:
    """The first few of the different rows of (number, channels), colours as red, green, blue."""
    distinct = np.unique(values, axis=0)
    order = [2, 1, 0, 3][: distinct.shape[1]] if distinct.shape[1] > 1 else [0]
    shown = [
        str(row[0]) if len(row) == 1 else f"({', '.join(map(str, row))})" for row in distinct[:_SHOWN, order].tolist()
    ]
    more = [f"and {len(distinct) - _SHOWN} more"] if len(distinct) > _SHOWN else []
    return " ".join([", ".join(shown), *more])
