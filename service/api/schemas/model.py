"""What is said of the model in service, and of the service's health."""

from dataclasses import asdict
from typing import Any, Self

from pydantic import BaseModel, Field

from models.manifest import Manifest
from service.runtime.model import ModelInfo


class ModelBody(BaseModel):
    """Which weights answered, and where they ran."""

    name: str
    version: str
    sha256: str = Field(description="Of the fp32 model file: which weights these are.")
    provider: str = Field(description="cpu, cuda or tensorrt.")
    precision: str = Field(description="fp32 or int8.")

    @classmethod
    def of(cls, identity: ModelInfo) -> Self:
        """From the model's identity."""
        return cls(**asdict(identity))


class ReleaseBody(ModelBody):
    """The model in service, and what its manifest promises."""

    size_px: int = Field(description="Side of the square that frames are squashed to.")
    threshold: float
    minimum_region: float = Field(description="Smallest region that counts as a detection, as a fraction of the frame.")
    gate: dict[str, Any] | None = Field(description="Weights and limit of the doubt; null: nothing is doubted.")
    outputs: list[dict[str, Any]] = Field(description="Name, unit and range of each output.")
    numbers: dict[str, Any] = Field(description="What was measured at the release.")

    @classmethod
    def describe(cls, identity: ModelInfo, manifest: Manifest) -> Self:
        """From the model's identity and manifest."""
        return cls(
            **asdict(identity),
            size_px=manifest.input.size_px,
            threshold=manifest.threshold,
            minimum_region=manifest.minimum_region,
            gate=asdict(manifest.gate) if manifest.gate else None,
            outputs=[asdict(output) for output in manifest.outputs],
            numbers=dict(manifest.numbers),
        )


class HealthBody(BaseModel):
    """The service's phase, or why it is not well."""

    status: str
