"""What is said of the model in service, and of the service's health."""

from dataclasses import asdict
from typing import Any, Self

from pydantic import BaseModel, Field

from service.pipeline.threshold import Threshold, threshold_in_force
from service.runtime.model import Model, ModelInfo


class OperatingPointBody(BaseModel):
    """The false-alarm rate that chose the threshold, as the release certifies it: over frames like those it was measured on."""

    false_alarm_rate: float = Field(description="Wanted share of smoke-free frames with an alarm.", gt=0, le=1)
    upper_bound: float = Field(description="The expected share at this threshold is at most this.", ge=0, le=1)
    confidence: float = Field(description="Of the bound.", ge=0, le=1)

    @classmethod
    def of(cls, threshold: Threshold) -> Self | None:
        """From the threshold in force; None where no rate chose it."""
        if threshold.false_alarm_rate is None:
            return None
        return cls(**{name: value for name, value in asdict(threshold).items() if name != "value"})


class ModelBody(BaseModel):
    """Which weights answered, where they ran, and from which probability on a pixel was smoke."""

    name: str
    version: str
    sha256: str = Field(description="Of the fp32 model file: which weights these are.")
    provider: str = Field(description="cpu, cuda or tensorrt.")
    precision: str = Field(description="fp32, fp16 or int8.")
    threshold: float = Field(description="Probability from which on a pixel is smoke.", gt=0, lt=1)
    operating_point: OperatingPointBody | None = Field(
        None, description="Null where the threshold is the release's own, or was asked for."
    )

    @classmethod
    def of(cls, identity: ModelInfo, threshold: Threshold) -> Self:
        """From the model's identity and the threshold in force."""
        point = OperatingPointBody.of(threshold)
        return cls(**asdict(identity), threshold=threshold.value, operating_point=point)


class ReleaseBody(ModelBody):
    """The model in service, and what its manifest promises."""

    size_px: int = Field(description="Side of the square that frames are squashed to.")
    minimum_region: float = Field(description="Smallest region that counts as a detection, as a fraction of the frame.")
    gate: dict[str, Any] | None = Field(description="Weights and limit of the doubt; null: nothing is doubted.")
    novelty_limit: float | None = Field(
        description="Novelty above which a frame is unfamiliar; null: the release tells no novelty."
    )
    close_ups: dict[str, Any] | None = Field(
        description="How small regions are looked at once more from nearby; null: the release was measured without."
    )
    outputs: list[dict[str, Any]] = Field(description="Name, unit and range of each map.")
    numbers: dict[str, Any] = Field(description="What was measured at the release.")

    @classmethod
    def describe(cls, model: Model, false_alarm_rate: float | None) -> Self:
        """From the model, and the rate that the service is operated by."""
        manifest = model.manifest
        threshold = threshold_in_force(manifest, None, false_alarm_rate)
        return cls(
            **dict(ModelBody.of(model.identity, threshold)),
            size_px=manifest.input.size_px,
            minimum_region=manifest.minimum_region,
            gate=asdict(manifest.gate) if manifest.gate else None,
            novelty_limit=manifest.novelty_limit,
            close_ups=asdict(manifest.close_ups) if manifest.close_ups else None,
            outputs=[asdict(output) for output in manifest.outputs],
            numbers=dict(manifest.numbers),
        )


class HealthBody(BaseModel):
    """The service's phase, or why it is not well."""

    status: str
