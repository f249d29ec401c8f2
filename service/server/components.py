"""From settings to the parts of the service: one function a part, so that nothing below reads the configuration."""

from collections.abc import Callable
from pathlib import Path

from models.manifest import Manifest
from models.operating_points import OperatingPointError
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile, Rules
from service.cameras.snapshot import restore
from service.errors import SettingsInvalid
from service.notifications.mqtt import BrokerOptions, Mqtt
from service.notifications.outbox import Channel, Notifier
from service.notifications.webhook import Webhook
from service.pipeline.threshold import certified
from service.pipeline.workers import WorkerOptions
from service.runtime.model import Model
from service.runtime.process import cores
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.slot import LoadedModel
from service.scheduling.backlog import WaitPolicy
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from service.settings import Settings


def load(settings: Settings) -> LoadedModel:
    """Open the release that the settings name now; `reopen` opens that same folder again.

    Raises:
        ModelUnusable, ProviderUnusable: See `service.runtime.session.open_model`.
        SettingsInvalid: The release does not certify the false-alarm rate.
    """
    # Resolved: a link that is moved on names the next release, and must not make this one another when it is rebuilt.
    folder, options = settings.release().resolve(), runtime_options(settings)
    model = open_model(folder, options)
    _check_rate(settings.false_alarm_rate, model.manifest)
    return LoadedModel(model, lambda: open_model(folder, options))


def _check_rate(rate: float | None, manifest: Manifest) -> None:
    if rate is None:
        return
    try:
        certified(manifest, rate)
    except OperatingPointError as error:
        raise SettingsInvalid(f"SMOKE_FALSE_ALARM_RATE: {error}") from error


def runtime_options(settings: Settings) -> RuntimeOptions:
    """Where and how wide a model is to run."""
    return RuntimeOptions(
        settings.provider,
        settings.require_provider,
        settings.threads,
        settings.runners,
        settings.batch_max,
        settings.cuda_arena,
        settings.cuda_memory_max_bytes,
        settings.cuda_graphs,
        settings.tensorrt_cache_dir,
        settings.precision,
    )


def worker_options(settings: Settings) -> WorkerOptions:
    """How many threads decode and encode, and how many frames wait for the model."""
    return WorkerOptions(settings.workers or cores(), settings.queue_max, settings.batch_wait_ms / 1000.0)


def in_flight_limits(settings: Settings) -> InFlightLimits:
    """How much may be in flight."""
    return InFlightLimits(
        settings.requests_max,
        settings.camera_requests_max,
        settings.inflight_bytes_max,
        settings.inflight_pixels_max,
    )


def wait_policy(settings: Settings) -> WaitPolicy:
    """How long a frame may wait."""
    return WaitPolicy(settings.wait_max_ms / 1000.0, settings.camera_wait_max_ms / 1000.0)


def service_time_estimator(settings: Settings, model: Model) -> ServiceTimeEstimator:
    """How fast frames go through, before any did."""
    return ServiceTimeEstimator(model.runners * model.batch_max, worker_options(settings).workers, model.batch_max)


def alarm_policy(settings: Settings) -> AlarmPolicy:
    """What holds for every camera of which the operator's file says nothing."""
    return AlarmPolicy(
        settings.alarm_frames, settings.alarm_hits, settings.alarm_window_s, cooldown_s=settings.alarm_cooldown_s
    )


def cameras(settings: Settings, metrics: CameraMetrics, notifier: Notifier, check: Callable[[Rules], None]) -> Cameras:
    """The cameras as they were before a restart; `check` is that of their file."""
    rules = CameraFile(settings.cameras_file, alarm_policy(settings), check)
    known = Cameras(settings.cameras_max, rules, metrics, notifier.notify)
    restore(known, settings.state_file)
    return known


def channels(settings: Settings) -> list[Channel]:
    """The channels that are switched on.

    Raises:
        SettingsInvalid: A secret cannot be read, or the webhook's URL is none.
    """
    opened: list[Channel] = []
    if settings.webhook_url is not None:
        secret = _secret("SMOKE_WEBHOOK_SECRET_FILE", settings.webhook_secret_file)
        opened.append(_webhook(settings.webhook_url, secret))
    if settings.mqtt_host is not None:
        opened.append(_mqtt(settings, settings.mqtt_host))
    return opened


def _webhook(url: str, secret: str) -> Channel:
    try:
        return Webhook(url, secret.encode())
    except ValueError as error:
        raise SettingsInvalid(f"SMOKE_WEBHOOK_URL: {error}") from error


def _mqtt(settings: Settings, host: str) -> Channel:
    file = settings.mqtt_password_file
    password = _secret("SMOKE_MQTT_PASSWORD_FILE", file) if file else None
    return Mqtt(
        BrokerOptions(
            host, settings.mqtt_port, settings.mqtt_username, password, settings.mqtt_tls, settings.mqtt_prefix
        )
    )


def _secret(name: str, file: Path | None) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: {error}") from error
    if not secret:
        raise SettingsInvalid(f"{name}: found no secret, expected a file that holds one")
    return secret
