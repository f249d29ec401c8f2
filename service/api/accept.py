"""What a reply comes as, by the request's Accept: JSON with the files in base64, or the files as they are."""

from collections.abc import Iterator
from typing import Final

from service.errors import NotAcceptable
from service.pipeline.options import MAPS, SegmentOptions

JSON: Final = "application/json"
MIXED: Final = "multipart/mixed"
NPZ: Final = "application/x-npz"
PNG: Final = "image/png"
REPLY_TYPES: Final = (JSON, MIXED, NPZ, PNG)


def reply_type(accept: str, options: SegmentOptions) -> str:
    """The reply type that its caller likes best among those that can hold what he asks for; JSON where he does not say.

    Args:
        accept: The header; "" where there is none.
        options: What is asked for.

    Raises:
        NotAcceptable: He likes none of them.
    """
    for wanted in _by_preference(accept or JSON):
        for offered in REPLY_TYPES:
            if wanted in (offered, f"{offered.partition('/')[0]}/*", "*/*") and _holds(offered, options):
                return offered
    raise NotAcceptable(
        f"found Accept {accept[:120]!r} and outputs {','.join(options.outputs)!r}, expected {JSON} or {MIXED}; "
        f"{NPZ} for maps and nothing else, with resolution model; or {PNG} for one map and nothing else, with encoding png"
    )


def _holds(offered: str, options: SegmentOptions) -> bool:
    """Whether a reply of this type has a place for all that is asked for."""
    names = options.outputs
    maps_alone = bool(names) and set(names) <= set(MAPS)
    if offered == NPZ:
        return maps_alone and options.resolution == "model"
    return offered != PNG or (maps_alone and len(names) == 1 and options.encoding == "png")


def _by_preference(accept: str) -> Iterator[str]:
    """The media types of an Accept, those of the highest q first and without those of none (RFC 9110, 12.5.1)."""
    ranked = []
    for choice in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in choice.split(";"))
        told = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        ranked.append((_quality(told), media_type))
    yield from (media_type for q, media_type in sorted(ranked, key=lambda choice: -choice[0]) if q > 0.0)


def _quality(told: str) -> float:
    """A number from 0 to 1; what is none counts as 1."""
    try:
        return min(1.0, max(0.0, float(told)))
    except ValueError:
        return 1.0
