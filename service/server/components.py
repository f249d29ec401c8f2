"""From settings to the parts of the service: one function a part, so that nothing below reads the configuration."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from models.manifest import Manifest
from models.operating_points import OperatingPointError
from service.alarms.archive import AlarmArchive, PictureResult
from service.alarms.folder import AlarmFolder
from service.alarms.index import AlarmIndex, AlarmLimits
from service.alarms.pictures import alarm_pictures
from service.alarms.record import AlarmRecord
from service.api.auth import ApiKeys
from service.api.metrics import Metrics, NotificationMetrics
from service.cameras.camera import Camera
from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile, Rules
from service.cameras.storage.snapshot import restore
from service.cameras.storage.store import CameraStore, ProcessStore
from service.errors import SettingsInvalid
from service.notifications.broker import BrokerOptions
from service.notifications.links import AlarmLinks
from service.notifications.mqtt import Mqtt
from service.notifications.notifier import Notifier, Sink
from service.notifications.outbox import Outbox
from service.notifications.webhook import Webhook
from service.pipeline.decoding.decode import Limits
from service.pipeline.pipeline import Pipeline
from service.pipeline.threshold import certified
from service.pipeline.workers import WorkerOptions
from service.runtime.model import Model
from service.runtime.process import cores
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.slot import LoadedModel, ModelSlot
from service.runtime.supervision import Supervisor
from service.scheduling.admission import AdmissionControl
from service.scheduling.backlog import WaitPolicy
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from service.server.named_files import named_authority, named_secret
from service.settings import Settings


def load(settings: Settings) -> LoadedModel:
    """Open the release that the settings name now; `reopen` opens that same folder again.

    Raises:
        ModelUnusable, ProviderUnusable: See `service.runtime.session.open_model`.
        SettingsInvalid: The release does not certify the false-alarm rate.
    """
    # Resolved: a link that is moved on names the next release, and must not make this one another when it is rebuilt.
    folder, options = Path(os.path.realpath(settings.release())), runtime_options(settings)
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
        provider=settings.provider,
        require=settings.require_provider,
        threads=settings.threads,
        runners=settings.runners,
        batch_max=settings.batch_max,
        cuda_arena=settings.cuda_arena,
        cuda_memory_max_bytes=settings.cuda_memory_max_bytes,
        cuda_graphs=settings.cuda_graphs,
        tensorrt_cache_dir=settings.tensorrt_cache_dir,
        precision=settings.precision,
    )


def worker_options(settings: Settings) -> WorkerOptions:
    """How many threads decode and encode, and how many frames wait for the model."""
    workers, batch_wait_s = settings.workers or cores(), settings.batch_wait_ms / 1000.0
    return WorkerOptions(workers, settings.queue_max, batch_wait_s, settings.decode_max_s)


def service_time_estimator(settings: Settings, model: Model) -> ServiceTimeEstimator:
    """How fast frames go through, before any did."""
    return ServiceTimeEstimator(model.runners * model.batch_max, worker_options(settings).workers, model.batch_max)


def admission_control(settings: Settings, estimator: ServiceTimeEstimator) -> AdmissionControl:
    """Admission control, which refuses everybody until it is opened."""
    limits = InFlightLimits(
        settings.requests_max, settings.camera_requests_max, settings.inflight_bytes_max, settings.inflight_pixels_max
    )
    policy = WaitPolicy(settings.wait_max_ms / 1000.0, settings.camera_wait_max_ms / 1000.0)
    return AdmissionControl(limits, policy, estimator)


def keys(settings: Settings) -> ApiKeys | None:
    """The API keys; None where there is no file of them, and everybody may do everything.

    Raises:
        SettingsInvalid: See `ApiKeys.read`.
    """
    return ApiKeys.read(settings.api_keys_file) if settings.api_keys_file else None


def instruments(slot: ModelSlot) -> Metrics:
    """Every instrument; the model's own follows the slot."""
    metrics = Metrics(slot.model.identity)
    slot.on_change = lambda model: metrics.serving(model.identity)
    return metrics


def pipeline(settings: Settings, slot: ModelSlot, metrics: Metrics, estimator: ServiceTimeEstimator) -> Pipeline:
    """One frame's way, with its threads still to be started."""
    limits, workers = Limits(settings.pixels_max), worker_options(settings)
    return Pipeline(slot, workers, limits, metrics.observe_batch, estimator, metrics.decoder_ended)


def camera_registry(
    settings: Settings, metrics: Metrics, supervisor: Supervisor, check: Callable[[Rules], None]
) -> tuple[Cameras, Notifier]:
    """The cameras, and what tells of them, as they were before a restart; `check` is that of their file.

    Raises:
        SettingsInvalid: The rules, a secret or a certificate cannot be read, or the webhook's URL is none.
    """
    rules = CameraFile(settings.cameras_file, settings.alarm_policy, check)
    # Each tells the other: of changes, and of how the cameras stand.
    notifier = Notifier(_sinks(settings, metrics.notifications, supervisor, lambda: known))
    store = _store(settings, metrics.cameras)
    known = Cameras(settings.cameras_max, rules, metrics.cameras, notifier.notify, store)
    notifier.resume(settings.state_file)
    restore(known, settings.state_file)
    return known, notifier


def _store(settings: Settings, metrics: CameraMetrics) -> CameraStore:
    """Where the cameras' states live."""
    if settings.redis_url is None:
        return ProcessStore()
    try:
        from service.cameras.storage.redis_store import RedisStore
    except ImportError as error:
        raise SettingsInvalid(f"SMOKE_REDIS_URL: {error}, expected `pip install 'smoke-bvm[redis]'`") from error
    file = settings.redis_password_file
    password = named_secret("SMOKE_REDIS_PASSWORD_FILE", file) if file else None
    try:
        store = RedisStore(settings.redis_url, password)
    except (ValueError, TypeError) as error:
        raise SettingsInvalid(f"SMOKE_REDIS_URL: {error}") from error
    metrics.shares_store(lambda: store.connected)
    return store


def alarm_archive(
    settings: Settings, cameras: Cameras, metrics: Metrics, supervisor: Supervisor, notifier: Notifier
) -> AlarmArchive:
    """Every alarm, as before a restart where there is a folder for them.

    Raises:
        SettingsInvalid: The folder cannot be made, read or written.
    """
    limits = AlarmLimits(settings.alarms_max, settings.alarm_bytes_max, settings.alarm_days)
    folder, records = _alarm_folder(settings.alarm_dir) if settings.alarm_dir else (None, [])
    if folder is not None:
        metrics.keeps_pictures(PictureResult)
    return AlarmArchive(
        AlarmIndex(limits, records),
        cameras,
        folder,
        draw=partial(alarm_pictures, limits=Limits(settings.pixels_max)),
        report=metrics.kept_picture,
        show=notifier.show,
        supervisor=supervisor,
    )


def _alarm_folder(path: Path) -> tuple[AlarmFolder, list[AlarmRecord]]:
    try:
        folder = AlarmFolder(path)
        return folder, folder.read()
    except OSError as error:
        expected = "expected a folder that can be made and written to"
        raise SettingsInvalid(f"SMOKE_ALARM_DIR: found {path}: {error.strerror or error}, {expected}") from error


def _sinks(
    settings: Settings, metrics: NotificationMetrics, supervisor: Supervisor, known: Callable[[], Iterable[Camera]]
) -> list[Sink]:
    """Those that are switched on, each counting from zero."""
    sinks: list[Sink] = []
    if settings.webhook_url is not None and settings.webhook_secret_file is not None:
        kept = settings.state_file is not None
        webhook = _webhook(settings, settings.webhook_url, settings.webhook_secret_file)
        sinks.append(Outbox(webhook, metrics.notified, supervisor=supervisor, kept=kept))
    if settings.mqtt_host is not None:
        broker, links = _broker(settings, settings.mqtt_host), _links(settings)
        mqtt = Mqtt(broker, known, metrics.notified, supervisor=supervisor, links=links)
        metrics.keeps_connection(mqtt.name, lambda: mqtt.connected)
        sinks.append(mqtt)
    for sink in sinks:
        metrics.sends(sink.name, partial(getattr, sink, "waiting_s"))
    return sinks


def _links(settings: Settings) -> AlarmLinks:
    return AlarmLinks(settings.public_url or "", settings.alarm_dir is not None)


def _webhook(settings: Settings, url: str, secret_file: Path) -> Webhook:
    secret, file = named_secret("SMOKE_WEBHOOK_SECRET_FILE", secret_file), settings.webhook_ca_file
    authority = named_authority("SMOKE_WEBHOOK_CA_FILE", file) if file else None
    try:
        return Webhook(url, secret.encode(), authority=authority, links=_links(settings))
    except ValueError as error:
        raise SettingsInvalid(f"SMOKE_WEBHOOK_URL: {error}") from error


def _broker(settings: Settings, host: str) -> BrokerOptions:
    file = settings.mqtt_password_file
    password = named_secret("SMOKE_MQTT_PASSWORD_FILE", file) if file else None
    tls = named_authority("SMOKE_MQTT_CA_FILE", settings.mqtt_ca_file) if settings.mqtt_tls else None
    return BrokerOptions(host, settings.mqtt_port, settings.mqtt_username, password, tls, settings.mqtt_prefix)
