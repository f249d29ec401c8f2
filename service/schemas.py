"""The bodies of the HTTP interface; every field says its unit and range, and OpenAPI repeats it."""

import base64
from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from models.manifest import Manifest
from service.encode import EncodedMap
from service.overlay import Picture
from service.pipeline import Segmentation, Stages
from service.prediction import Identity
from service.query import SegmentQuery
from service.summary import Doubt


class ModelBody(BaseModel):
    """Which weights answered, and where they ran."""

    name: str
    version: str
    sha256: str = Field(description="Of the model file.")
    provider: str = Field(description="cpu, cuda or tensorrt.")
    precision: str = Field(description="fp32.")

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """From the model's identity."""
        return cls(**asdict(identity))


class FrameBody(BaseModel):
    """The frame's size in pixels as a person sees it, after EXIF rotation."""

    width: int
    height: int


class SmokeBody(BaseModel):
    """What was found, at the model's size."""

    detected: bool = Field(description="There is a connected region of at least the model's `minimum_region`.")
    area_fraction: float = Field(description="Smoke pixels over all pixels, regions of any size.", ge=0, le=1)
    max_probability: float = Field(description="Highest probability of any pixel.", ge=0, le=1)


class DoubtBody(BaseModel):
    """Mean uncertainties in nats, each in [0, ln 2]; total = aleatoric + epistemic."""

    total: float
    aleatoric: float
    epistemic: float

    @classmethod
    def of(cls, doubt: Doubt) -> Self:
        """From the summary's means."""
        return cls(**asdict(doubt))


class UncertaintyBody(BaseModel):
    """Mean uncertainties, at the model's size."""

    frame: DoubtBody = Field(description="Over every pixel of the frame.")
    smoke: DoubtBody | None = Field(description="Over the smoke pixels; null when no pixel is smoke.")


class MapScale(BaseModel):
    """How to read a map: value = minimum + byte / 255 * (maximum - minimum). The scale never depends on the frame."""

    encoding: Literal["png"] = "png"
    dtype: Literal["uint8"] = "uint8"
    width: int
    height: int
    minimum: float = Field(description="What byte 0 stands for.")
    maximum: float = Field(description="What byte 255 stands for: ln 2 for an uncertainty, always.")
    unit: str = Field(description="`nat`, or `1` for a probability and the mask.")


class MapBody(MapScale):
    """One value a pixel, as a grey 8-bit PNG file."""

    data: str = Field(description="The PNG file in base64.", json_schema_extra={"contentEncoding": "base64"})

    @classmethod
    def of(cls, encoded: EncodedMap) -> Self:
        """From an encoded map."""
        return cls(**_scale(encoded), data=_text(encoded.data))


class PictureBody(BaseModel):
    """The frame with the smoke drawn on it, for people, always at the frame's size."""

    encoding: Literal["jpeg"] = "jpeg"
    width: int
    height: int
    data: str = Field(description="The JPEG file in base64.", json_schema_extra={"contentEncoding": "base64"})

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """From a drawn picture."""
        return cls(width=picture.width, height=picture.height, data=_text(picture.data))


class LatencyBody(BaseModel):
    """How long each step took, in milliseconds; decode and encode include the wait for a free thread."""

    read: float
    decode: float
    queue: float
    inference: float
    encode: float
    total: float

    @classmethod
    def of(cls, stages: Stages, read_s: float, total_s: float) -> Self:
        """From seconds."""
        seconds = {
            "read": read_s,
            "decode": stages.decode_s,
            "queue": stages.queue_s,
            "inference": stages.inference_s,
            "encode": stages.encode_s,
            "total": total_s,
        }
        return cls(**{stage: round(1000 * value, 3) for stage, value in seconds.items()})


class Findings(BaseModel):
    """What a segmentation says, whether over HTTP or on the command line."""

    model: ModelBody
    frame: FrameBody
    smoke: SmokeBody
    uncertainty: UncertaintyBody
    latency_ms: LatencyBody

    @staticmethod
    def fields_of(segmentation: Segmentation, latency: LatencyBody) -> dict[str, Any]:
        """The fields that every reply shares."""
        summary = segmentation.summary
        return {
            "model": ModelBody.of(segmentation.identity),
            "frame": FrameBody(**asdict(segmentation.frame)),
            "smoke": SmokeBody(**asdict(summary.smoke)),
            "uncertainty": UncertaintyBody(
                frame=DoubtBody.of(summary.frame_doubt),
                smoke=DoubtBody.of(summary.smoke_doubt) if summary.smoke_doubt else None,
            ),
            "latency_ms": latency,
        }


class SegmentReply(Findings):
    """The answer to `POST /segment`."""

    request_id: str = Field(description="Also in the header X-Request-ID and in the log.")
    camera_id: str | None
    captured_at: str | None = Field(json_schema_extra={"format": "date-time"})
    maps: dict[str, MapBody] = Field(description="By output name, those asked for.")
    overlay: PictureBody | None = Field(None, description="Null unless `overlay` was among the outputs.")

    @classmethod
    def of(cls, segmentation: Segmentation, latency: LatencyBody, request_id: str, query: SegmentQuery) -> Self:
        """From the pipeline's answer."""
        return cls(
            **cls.fields_of(segmentation, latency),
            request_id=request_id,
            camera_id=query.camera_id,
            captured_at=query.captured_at,
            maps={name: MapBody.of(encoded) for name, encoded in segmentation.maps.items()},
            overlay=PictureBody.of(segmentation.picture) if segmentation.picture else None,
        )


class MapFile(MapScale):
    """A map that was written beside the report."""

    file: str

    @classmethod
    def of(cls, encoded: EncodedMap, file: str) -> Self:
        """From an encoded map and the name of the file that holds it."""
        return cls(**_scale(encoded), file=file)


class FileReport(Findings):
    """What `smoke-bvm segment` writes for one picture."""

    source: str = Field(description="The picture, as it was named or found.")
    maps: dict[str, MapFile]
    overlay: str | None = Field(description="The overlay's file name.")


class ReleaseBody(ModelBody):
    """The model in service, and what its manifest promises."""

    size_px: int = Field(description="Side of the square that frames are squashed to.")
    threshold: float
    minimum_region: float = Field(description="Smallest region that counts as a detection, as a fraction of the frame.")
    outputs: list[dict[str, Any]] = Field(description="Name, unit and range of each output.")
    numbers: dict[str, Any] = Field(description="What was measured at the release.")

    @classmethod
    def describe(cls, identity: Identity, manifest: Manifest) -> Self:
        """From the model's identity and manifest."""
        return cls(
            **asdict(identity),
            size_px=manifest.input.size_px,
            threshold=manifest.threshold,
            minimum_region=manifest.minimum_region,
            outputs=[asdict(output) for output in manifest.outputs],
            numbers=dict(manifest.numbers),
        )


class HealthBody(BaseModel):
    """The service's phase, or why it is not well."""

    status: str


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(description="urn:smoke-bvm:problem:<reason>")
    title: str
    status: int
    detail: str = Field(description="What was found and what was expected.")
    request_id: str


def _scale(encoded: EncodedMap) -> dict[str, Any]:
    return {name: value for name, value in asdict(encoded).items() if name != "data"}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
