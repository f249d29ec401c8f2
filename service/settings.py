"""Every setting of the service, read once from `SMOKE_*`; the only reader of the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.manifest import ManifestError, newest_release
from service.cameras.evidence import AlarmPolicy
from service.errors import ModelUnusable, SettingsInvalid
from service.runtime.providers import Arena, Precision, Provider
from service.validation import distance, found_and_expected, in_words

_GONE: Final = {
    "SMOKE_BURST_S": "SMOKE_CAMERA_WAIT_MAX_MS says how long a camera's only frame may wait, SMOKE_WAIT_MAX_MS any other",
}
"""Settings of earlier versions, and what took their place."""

_PREFIX: Final = "SMOKE_"
_LETTERS: Final = 3
"""So few letters away from a setting, a name is taken for a misspelt one."""
_LINKS: Final = ("tcp://", "udp://")
"""How values begin that an orchestrator sets for each service beside this one, under names that it makes of theirs."""


def _policy(name: str) -> Any:  # noqa: ANN401 - what `Field` returns
    """A field of the alarm policy as a setting: its default, bounds and description."""
    return AlarmPolicy.model_fields[name]


class Settings(BaseSettings):
    """What can be chosen from outside: `SMOKE_PORT=9000` sets `port`, an empty variable nothing. Frozen."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; loopback unless told otherwise.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_keys_file: Path | None = Field(
        None, description="TOML file of API keys (`smoke-bvm key`); none: no key is asked for."
    )
    admin: bool = Field(False, description="Offer POST /admin/reload and /admin/rollback; needs API keys.")
    admin_port: int | None = Field(None, ge=0, le=65535, description="Port of its own for /metrics and /admin.")
    admin_host: str = Field("127.0.0.1", min_length=1, description="Address that the admin port listens on.")
    tls_cert_file: Path | None = Field(None, description="Certificate chain (PEM): serve HTTPS.")
    tls_key_file: Path | None = Field(None, description="The certificate's private key (PEM).")
    model_dir: Path | None = Field(None, description="Release folder; the newest one below models/released by default.")
    provider: Literal["auto"] | Provider = Field(
        "auto", description="Where the model runs; auto takes CUDA if it works."
    )
    precision: Literal["auto"] | Precision = Field(
        "auto",
        description="Which model of the release: auto takes fp16 on CUDA and int8 on a CPU, where it answers as released.",
    )
    false_alarm_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Take the threshold that the release certifies for this share of smoke-free frames with an alarm.",
    )
    require_provider: Provider | None = Field(None, description="Refuse to start on any other provider.")
    cuda_arena: Arena = Field("exact", description="How GPU memory is claimed: what is needed, or doubling.")
    cuda_memory_max_bytes: int = Field(
        0, ge=0, description="Most GPU memory per loaded model, three during a reload; 0 for no bound."
    )
    cuda_graphs: bool = Field(
        True,
        description="Record CUDA's work for each batch size once and replay it; without, frames run one at a time.",
    )
    tensorrt_cache_dir: Path | None = Field(None, description="Folder in which TensorRT keeps its engines.")
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="Threads of one inference on the CPU; 0 takes every core. Up to four are shared out to frames that run at once.",
    )
    runners: int = Field(
        0, ge=0, le=64, description="Frames inferred at once on the CPU, each on all threads; 0 decides. A GPU has one."
    )
    workers: int = Field(0, ge=0, le=256, description="Threads that decode and encode; 0 takes one per core.")
    decode_max_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="Longest time that decoding a picture may take; then its process is ended. 0 decodes in threads, without an end.",
    )
    batch_max: int = Field(8, ge=1, le=8, description="Most frames in one batch on a GPU.")
    batch_wait_ms: float = Field(0.0, ge=0, le=1000, description="How long a batch on a GPU waits to be filled.")
    wait_max_ms: float = Field(
        2000.0,
        ge=0,
        description="Longest estimated wait with which a frame is let in; 0: only what would be served at once.",
    )
    camera_wait_max_ms: float = Field(
        30_000.0, ge=0, description="The same for a camera's only frame in flight, if that is longer."
    )
    queue_max: int = Field(1024, ge=1, description="Most decoded frames that wait for the model.")
    requests_max: int = Field(1024, ge=1, description="Most requests for a segmentation in flight.")
    camera_requests_max: int = Field(32, ge=1, description="Most requests of one camera in flight.")
    inflight_bytes_max: int = Field(512 * 2**20, ge=1024, description="Most bytes of bodies in flight.")
    inflight_pixels_max: int = Field(300_000_000, ge=256, description="Most pixels of frames in flight.")
    deadline_s: float = Field(
        60.0, gt=0, le=600, description="Longest time until a request is answered; X-Deadline-Ms can only shorten it."
    )
    connections_max: int = Field(1024, ge=8, description="Most connections; then one that is idle or slow makes room.")
    header_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Longest time a header, or a TLS handshake, may take."
    )
    send_timeout_s: float = Field(30.0, gt=0, le=600, description="Longest time a reply may wait for its reader.")
    unread_bytes_max: int = Field(
        256 * 2**20,
        ge=1024,
        description="Most bytes of replies that wait for slow readers; then the slowest is dropped.",
    )
    body_max_bytes: int = Field(20 * 2**20, ge=1024, description="Largest body.")
    body_timeout_s: float = Field(15.0, gt=0, le=600, description="Longest time a body may take to arrive.")
    pixels_max: int = Field(40_000_000, ge=256, le=89_000_000, description="Most pixels in a frame.")
    cameras_max: int = Field(
        200, ge=1, le=10_000, description="Most cameras with a label of their own; as many again share `other`."
    )
    cameras_file: Path | None = Field(None, description="TOML file of alarm policies and ignored places per camera.")
    state_file: Path | None = Field(None, description="JSON file in which alarms outlive a restart.")
    redis_url: str | None = Field(
        None,
        pattern=r"^rediss?://([^@:/\s]+@)?[^@/\s]+(/\d+)?(\?\S*)?$",
        max_length=1000,
        description="Redis in which services that share cameras keep their states; no password in it.",
    )
    redis_password_file: Path | None = Field(None, description="File with the password for Redis.")
    feedback_file: Path | None = Field(None, description="JSONL file to which feedback on alarms is appended.")
    alarm_frames: int = _policy("frames")
    alarm_hits: float = _policy("hits")
    alarm_window_s: float = _policy("window_s")
    alarm_cooldown_s: float = _policy("cooldown_s")
    alarms_max: int = Field(
        1000, ge=1, le=10_000, description="Most alarms that are listed; then the one that ended first goes."
    )
    alarm_days: float = Field(30.0, gt=0, le=3650, description="Days after which an alarm that has ended goes.")
    alarm_dir: Path | None = Field(
        None, description="Folder in which pictures of alarms are kept; none: no picture is kept, anywhere."
    )
    alarm_bytes_max: int = Field(
        2 * 2**30,
        ge=2**27,
        description="Most bytes of pictures in that folder; then the alarm that ended first goes.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        max_length=1000,
        description="Where people reach this service: messages link to it; none: links are relative.",
    )
    webhook_url: str | None = Field(
        None, pattern=r"^https?://[^\s/]", max_length=2000, description="Post alarms and reviews there, signed."
    )
    webhook_secret_file: Path | None = Field(None, description="File with the key of the webhook's signature.")
    webhook_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the webhook's must be signed by; none: the system's."
    )
    mqtt_host: str | None = Field(None, min_length=1, description="Publish camera states to this MQTT broker.")
    mqtt_port: int = Field(1883, ge=1, le=65535, description="The broker's port.")
    mqtt_username: str | None = Field(None, min_length=1, description="Who we are to the broker.")
    mqtt_password_file: Path | None = Field(None, description="File with the broker's password.")
    mqtt_tls: bool = Field(False, description="Speak TLS with the broker.")
    mqtt_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the broker's must be signed by; none: the system's."
    )
    mqtt_prefix: str = Field(
        "smoke", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="First part of every topic; one service each."
    )
    failures_max: int = Field(
        5, ge=1, description="Failures of the model in a row after which the service asks to be restarted."
    )
    stall_s: float = Field(
        60.0,
        gt=0,
        description="A batch, or the decoding of a picture, that runs for longer hangs: the service asks to be restarted.",
    )
    drain_s: float = Field(
        40.0, ge=0, le=600, description="Longest time accepted requests get to finish after SIGTERM."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Sentences or JSON lines; auto takes sentences on a terminal, else JSON."
    )

    @field_validator("state_file")
    @classmethod
    def _where_it_leads(cls, file: Path | None) -> Path | None:
        """The file is replaced as a whole: a link to one, on a volume say, must not be."""
        return file and Path(os.path.realpath(file))

    @model_validator(mode="after")
    def _one_fits(self) -> Self:
        """A single frame as large as allowed must find room, or it would be refused for ever."""
        if self.inflight_bytes_max < self.body_max_bytes:
            raise PydanticCustomError("room", "SMOKE_INFLIGHT_BYTES_MAX of at least SMOKE_BODY_MAX_BYTES")
        if self.inflight_pixels_max < self.pixels_max:
            raise PydanticCustomError("room", "SMOKE_INFLIGHT_PIXELS_MAX of at least SMOKE_PIXELS_MAX")
        return self

    @model_validator(mode="after")
    def _alarm_possible(self) -> Self:
        try:
            self.alarm_policy  # noqa: B018 - built to be checked
        except ValidationError as error:
            raise PydanticCustomError("alarm", "SMOKE_ALARM_*: {words}", {"words": in_words(error, {})}) from None
        return self

    @model_validator(mode="after")
    def _safe_together(self) -> Self:
        if self.admin and self.api_keys_file is None:
            raise PydanticCustomError("keys", "SMOKE_API_KEYS_FILE where SMOKE_ADMIN is on")
        if self.admin_port and self.admin_port == self.port:
            raise PydanticCustomError("ports", "SMOKE_ADMIN_PORT other than SMOKE_PORT, whatever their addresses")
        if self.webhook_url is not None and self.webhook_secret_file is None:
            raise PydanticCustomError("webhook", "SMOKE_WEBHOOK_SECRET_FILE where SMOKE_WEBHOOK_URL is set")
        if self.mqtt_ca_file is not None and not self.mqtt_tls:
            raise PydanticCustomError("mqtt", "SMOKE_MQTT_TLS where SMOKE_MQTT_CA_FILE is set")
        if self.redis_password_file is not None and self.redis_url is None:
            raise PydanticCustomError("redis", "SMOKE_REDIS_URL where SMOKE_REDIS_PASSWORD_FILE is set")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise PydanticCustomError("tls", "SMOKE_TLS_CERT_FILE and SMOKE_TLS_KEY_FILE, both or neither")
        return self

    @property
    def alarm_policy(self) -> AlarmPolicy:
        """What holds for every camera of which the operator's file says nothing."""
        return AlarmPolicy(
            frames=self.alarm_frames,
            hits=self.alarm_hits,
            window_s=self.alarm_window_s,
            cooldown_s=self.alarm_cooldown_s,
        )

    @classmethod
    def load(cls, **chosen: object) -> Self:
        """Read the environment; what the command line chose goes first, `None` counts as not chosen.

        Raises:
            SettingsInvalid: A value is impossible, or a name gone or misspelt; the message names the variable.
        """
        for variable, words in _GONE.items():
            if found := os.environ.get(variable):
                raise SettingsInvalid(f"{variable}: found {found!r}, expected it to be gone: {words}")
        _refuse_misspelt()
        values: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        try:
            return cls(**values)
        except ValidationError as error:
            raise SettingsInvalid("; ".join(_in_words(problem) for problem in error.errors())) from None

    def release(self) -> Path:
        """The release folder to serve.

        Raises:
            ModelUnusable: None was named and none is installed.
        """
        if self.model_dir is not None:
            return self.model_dir
        try:
            return newest_release()
        except ManifestError as error:
            raise ModelUnusable(f"{error}; or name one with --model-dir or SMOKE_MODEL_DIR") from error


def _in_words(problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """One line about one refused value."""
    if problem["type"] == "alarm":
        return str(problem["msg"])
    if not problem["loc"]:
        return f"found settings that contradict each other, expected {problem['msg']}"
    return f"{_PREFIX}{str(problem['loc'][0]).upper()}: {found_and_expected(problem)}"


def environment() -> Mapping[str, str]:
    """The variables that an operator's files may refer to by name."""
    return os.environ


def unknown_variables() -> list[str]:
    """Variables that are named like settings and that no setting reads."""
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    ours = (name for name, value in os.environ.items() if value and name.upper().startswith(_PREFIX))
    return sorted(name for name in ours if name.upper() not in known)


def _refuse_misspelt() -> None:
    for variable in unknown_variables():
        known = [_PREFIX + name.upper() for name in Settings.model_fields]
        letters, nearest = min((distance(variable.upper(), name), name) for name in known)
        if letters <= _LETTERS and not os.environ[variable].startswith(_LINKS):
            expected = f"expected {nearest}, or no name so like it"
            raise SettingsInvalid(f"{variable}: found a setting that there is not, {expected}")
