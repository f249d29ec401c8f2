"""What was asked for beside the numbers: maps, the overlay, polygons, run lengths; at the model's size or the frame's."""

from collections.abc import Callable
from dataclasses import dataclass

from models.geometry import RGB
from models.manifest import Manifest
from models.maps import SegmentationMaps
from models.outlines import Polygon
from service.pipeline.detections import FrameResult
from service.pipeline.encode import MASK, EncodedMap, Picture, Size, encode_maps, mask_at, overlay
from service.pipeline.options import MAPS, OVERLAY, POLYGONS, RLE, SegmentOptions
from service.pipeline.outlines.polygons import region_owners, region_polygons
from service.pipeline.outlines.rle import RunLengths, run_lengths
from service.pipeline.tiling import resized_to_model


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was asked for; None is what was not.

    Attributes:
        maps: By name.
        picture: The frame with the smoke drawn on it.
        polygons: Of each region that a reply lists, in pixels of the frame.
        rle: The mask at the frame's size.
    """

    maps: dict[str, EncodedMap]
    picture: Picture | None
    polygons: tuple[tuple[Polygon, ...], ...] | None
    rle: RunLengths | None


def render(
    prediction: SegmentationMaps,
    result: FrameResult,
    manifest: Manifest,
    options: SegmentOptions,
    threshold: float,
    size: Size,
    frame: Callable[[], RGB],
) -> Rendering:
    """Render what the options name.

    Args:
        prediction: Maps of (side, side), in which the result was found.
        result: Its regions.
        manifest: Of the model that gave them.
        options: What is wanted.
        threshold: Probability from which on a pixel is smoke.
        size: Of the frame.
        frame: Gives the frame itself, which only the overlay needs.
    """
    wanted = options.outputs
    picture = polygons = rle = None
    if OVERLAY in wanted:
        picture = overlay(frame(), mask_at(prediction, threshold, size), options.overlay_encoding)
    if POLYGONS in wanted:
        owners = region_owners(prediction, result.regions, threshold, manifest.minimum_region, size)
        polygons = region_polygons(owners, len(result.regions))
    if RLE in wanted:
        rle = run_lengths(mask_at(prediction, threshold, size))
    return Rendering(_maps(prediction, manifest, options, threshold, size), picture, polygons, rle)


def _maps(
    prediction: SegmentationMaps, manifest: Manifest, options: SegmentOptions, threshold: float, size: Size
) -> dict[str, EncodedMap]:
    names = [name for name in options.outputs if name in MAPS]
    scales = {MASK.name: MASK, **{output.name: output for output in manifest.outputs}}
    if options.resolution == "frame":
        return encode_maps(prediction, names, scales, threshold, size)
    square = resized_to_model(prediction, manifest.input.size_px)
    return encode_maps(square, names, scales, threshold, None, options.encoding)
