"""What is found on pictures, as rows of a Parquet file."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa
from pyarrow import parquet

from service.errors import in_one_line
from service.pipeline.detections import REGIONS_MAX, MeanUncertainty, SmokeRegion
from service.pipeline.pipeline import Segmentation
from service.pipeline.tiling import CloseUpCount

_REGION: Final = pa.struct(
    [
        *((name, pa.int32()) for name in ("x", "y", "width", "height")),
        ("area_px", pa.int64()),
        *((name, pa.float64()) for name in ("mean_probability", "total", "aleatoric", "epistemic")),
        ("doubted", pa.bool_()),
    ]
)
FINDINGS_SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("error", pa.string()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("damaged", pa.bool_()),
        ("assessment", pa.string()),
        ("detected", pa.bool_()),
        ("area_fraction", pa.float64()),
        ("max_probability", pa.float64()),
        ("region_count", pa.int32()),
        *((name, pa.float64()) for name in ("total", "aleatoric", "epistemic")),
        *((f"smoke_{name}", pa.float64()) for name in ("total", "aleatoric", "epistemic")),
        ("novelty", pa.float64()),
        *((f"close_ups_{name}", pa.int32()) for name in CloseUpCount._fields),
        ("regions", pa.list_(_REGION)),
        ("mask", pa.string()),
        ("model", pa.string()),
        ("threshold", pa.float64()),
    ]
)
"""Columns of the findings. A picture that got no answer has its `error` in words and nothing beside `source`."""


def found_row(source: str, size_bytes: int, mask: str, found: Segmentation) -> dict[str, Any]:
    """The row of a picture that was answered; numbers and units as `service.api.schemas.result` has them."""
    result = found.result
    return {
        "source": source,
        "bytes": size_bytes,
        "width": found.frame.width,
        "height": found.frame.height,
        "damaged": found.damaged,
        "assessment": str(result.assessment),
        **asdict(result.smoke),
        "region_count": len(result.regions),
        **asdict(result.frame_uncertainty),
        **_smoke(result.smoke_uncertainty),
        "novelty": result.novelty.score if result.novelty else None,
        **_close_ups(found.close_ups),
        "regions": [_region(region) for region in result.regions[:REGIONS_MAX]],
        "mask": mask,
        "model": f"{found.identity.name}-{found.identity.version}",
        "threshold": found.threshold.value,
    }


def _close_ups(count: CloseUpCount | None) -> dict[str, int]:
    return {f"close_ups_{name}": windows for name, windows in count._asdict().items()} if count else {}


def failed_row(source: str, error: Exception) -> dict[str, Any]:
    """The row of a picture that got no answer, with the reason in words."""
    return {"source": source, "error": in_one_line(error)}


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A Parquet file of the rows, in their order."""
    stream = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([*rows], FINDINGS_SCHEMA), stream, compression="zstd")
    return stream.getvalue()


def _smoke(uncertainty: MeanUncertainty | None) -> dict[str, float]:
    return {f"smoke_{name}": value for name, value in asdict(uncertainty).items()} if uncertainty else {}


def _region(region: SmokeRegion) -> dict[str, Any]:
    found = region.detection
    means = {name: getattr(found, name) for name in ("mean_probability", "total", "aleatoric", "epistemic")}
    return {**asdict(region.box), "area_px": region.area_px, **means, "doubted": region.doubted}
