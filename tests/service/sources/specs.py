"""Sources for tests: quick ones."""

from typing import Any

from service.sources.spec import Kind, SourceSpec


def spec_of(kind: Kind, address: object, **changes: Any) -> SourceSpec:
    """A source of the camera `ridge`, read ten times a second."""
    chosen: dict[str, Any] = {"view": "", "interval_s": 0.1, "stall_s": 20.0, **changes}
    return SourceSpec(camera_id="ridge", kind=kind, address=str(address), **chosen)
