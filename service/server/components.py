"""From settings to the parts of the service: one function a part, so that nothing below reads the configuration."""

import errno
import os
from pathlib import Path

from service.cameras.metrics import CameraMetrics
from service.cameras.registry import Cameras
from service.cameras.rules import CameraFile
from service.cameras.snapshot import beside, restore
from service.errors import SettingsInvalid
from service.notifications.mqtt import BrokerOptions, Mqtt
from service.notifications.outbox import Channel, Notifier
from service.notifications.webhook import Webhook
from service.pipeline.workers import WorkerOptions
from service.runtime.process import cores
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.slot import LoadedModel
from service.runtime.supervision import Supervisor
from service.scheduling.permits import Ceilings
from service.settings import Settings


def load(settings: Settings) -> LoadedModel:
    """Open the release that the settings name now; `reopen` opens that same folder again.

    Raises:
        ModelUnusable, ProviderUnusable: See `service.runtime.session.open_model`.
    """
    # Resolved: a link that is moved on names the next release, and must not make this one another when it is rebuilt.
    folder, options = settings.release().resolve(), runtime_options(settings)
    return LoadedModel(open_model(folder, options), lambda: open_model(folder, options))


def check_files(settings: Settings) -> None:
    """The files that will be written can be; else what they are for would be lost, and nobody told until it is.

    Raises:
        SettingsInvalid: One cannot.
    """
    if settings.feedback_file:
        _check_writable("SMOKE_FEEDBACK_FILE", settings.feedback_file, settings.feedback_file)
    if settings.state_file:
        _check_writable("SMOKE_STATE_FILE", settings.state_file, beside(settings.state_file))


def _check_writable(name: str, file: Path, written: Path) -> None:
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        there = written.exists()
        written.open("a").close()
        if not there:
            written.unlink()
    except OSError as error:
        expected = "expected a file in a folder that is there and can be written"
        raise SettingsInvalid(f"{name}: found {file}: {error.strerror or error}, {expected}") from error


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


def in_flight_limits(settings: Settings) -> Ceilings:
    """How much may be in flight."""
    return Ceilings(
        settings.requests_max,
        settings.camera_requests_max,
        settings.inflight_bytes_max,
        settings.inflight_pixels_max,
    )


def cameras(settings: Settings, metrics: CameraMetrics, notifier: Notifier) -> Cameras:
    """The cameras as they were before a restart."""
    rules = CameraFile(settings.cameras_file, settings.alarm_policy)
    known = Cameras(settings.cameras_max, rules, metrics, notifier.notify)
    restore(known, settings.state_file)
    return known


def channels(settings: Settings, supervisor: Supervisor) -> list[Channel]:
    """The channels that are switched on.

    Raises:
        SettingsInvalid: A secret cannot be read, or the webhook's URL is none.
    """
    opened: list[Channel] = []
    if settings.webhook_url is not None:
        secret = _secret("SMOKE_WEBHOOK_SECRET_FILE", settings.webhook_secret_file)
        opened.append(_webhook(settings.webhook_url, secret))
    if settings.mqtt_host is not None:
        opened.append(_mqtt(settings, settings.mqtt_host, supervisor))
    return opened


def _webhook(url: str, secret: str) -> Channel:
    try:
        return Webhook(url, secret.encode())
    except ValueError as error:
        raise SettingsInvalid(f"SMOKE_WEBHOOK_URL: {error}") from error


def _mqtt(settings: Settings, host: str, supervisor: Supervisor) -> Channel:
    file = settings.mqtt_password_file
    password = _secret("SMOKE_MQTT_PASSWORD_FILE", file) if file else None
    username, tls, prefix = settings.mqtt_username, settings.mqtt_tls, settings.mqtt_prefix
    return Mqtt(BrokerOptions(host, settings.mqtt_port, username, password, tls, prefix), supervisor=supervisor)


def _secret(name: str, file: Path | None) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: {error}") from error
    if not secret:
        raise SettingsInvalid(f"{name}: found no secret, expected a file that holds one")
    return secret
