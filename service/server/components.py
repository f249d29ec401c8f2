"""From settings to the parts of the service: one function a part, so that nothing below reads the configuration."""

from pathlib import Path

from service.api.auth import ApiKeys
from service.api.metrics import Metrics
from service.cameras.evidence import AlarmPolicy
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.snapshot import restore
from service.errors import SettingsInvalid
from service.notifications.mqtt import BrokerOptions, Mqtt
from service.notifications.outbox import Channel, Notifier
from service.notifications.webhook import Webhook
from service.pipeline.decode import Limits
from service.pipeline.pipeline import Pipeline
from service.pipeline.workers import WorkerOptions
from service.runtime.model import Model
from service.runtime.process import cores
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.slot import LoadedModel, ModelSlot
from service.scheduling.admission import Lifecycle
from service.scheduling.backlog import Line, Patience
from service.scheduling.permits import Ceilings, Permits
from service.scheduling.service_time import Pace
from service.settings import Settings


def load(settings: Settings) -> LoadedModel:
    """Open the release that the settings name now; `reopen` opens that same folder again.

    Raises:
        ModelUnusable, ProviderUnusable: See `service.runtime.session.open_model`.
    """
    # Resolved: a link that is moved on names the next release, and must not make this one another when it is rebuilt.
    folder, options = settings.release().resolve(), runtime_options(settings)
    return LoadedModel(open_model(folder, options), lambda: open_model(folder, options))


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
    workers, batch_wait_s = settings.workers or cores(), settings.batch_wait_ms / 1000.0
    return WorkerOptions(workers, settings.queue_max, batch_wait_s, settings.decode_max_s)


def pace(settings: Settings, model: Model) -> Pace:
    """How long things take, told by those that went before."""
    return Pace(model.runners * model.batch_max, worker_options(settings).workers, model.batch_max)


def lifecycle(settings: Settings, pace: Pace) -> Lifecycle:
    """The door, still closed."""
    patience = Patience(settings.wait_max_ms / 1000.0, settings.burst_s)
    return Lifecycle(Permits(in_flight_limits(settings)), Line(pace, patience))


def in_flight_limits(settings: Settings) -> Ceilings:
    """How much may be in flight."""
    return Ceilings(
        settings.requests_max,
        settings.camera_requests_max,
        settings.inflight_bytes_max,
        settings.inflight_pixels_max,
    )


def keys(settings: Settings) -> ApiKeys | None:
    """Who may do what; None: everybody everything.

    Raises:
        SettingsInvalid: See `ApiKeys.read`.
    """
    return ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None


def metrics(slot: ModelSlot) -> Metrics:
    """Every instrument; the model's own follows the slot."""
    instruments = Metrics(slot.model.identity)
    slot.on_change = lambda model: instruments.serving(model.identity)
    return instruments


def pipeline(settings: Settings, slot: ModelSlot, metrics: Metrics, pace: Pace) -> Pipeline:
    """One frame's way, with its threads still to be started."""
    limits, workers = Limits(settings.pixels_max), worker_options(settings)
    return Pipeline(slot, workers, limits, metrics.observe_batch, pace, metrics.decoder_ended)


def alarm_policy(settings: Settings) -> AlarmPolicy:
    """What holds for every camera of which the operator's file says nothing."""
    return AlarmPolicy(
        settings.alarm_frames, settings.alarm_hits, settings.alarm_window_s, cooldown_s=settings.alarm_cooldown_s
    )


def cameras(settings: Settings, metrics: CameraMetrics, notifier: Notifier) -> Cameras:
    """The cameras as they were before a restart."""
    rules = CameraFile(settings.cameras_file, alarm_policy(settings))
    known = Cameras(settings.cameras_max, rules, metrics, notifier.notify)
    restore(known, settings.state_file)
    return known


def notifier(settings: Settings, metrics: CameraMetrics) -> Notifier:
    """Alarms on their way out; every channel counts from zero."""
    opened = channels(settings)
    for channel in opened:
        metrics.sends(channel.name)
    return Notifier(opened, metrics.notified)


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
