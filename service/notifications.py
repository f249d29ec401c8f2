"""Which channels a change goes to, as the settings say; none by default."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from service.cameras import Change
from service.errors import SettingsInvalid
from service.mqtt import Broker, Mqtt
from service.outbox import Channel, Outbox
from service.settings import Settings
from service.webhook import Webhook


class Notifications:
    """Hands each change to every channel.

    Args:
        channels: Where changes go.
        report: Told the channel and the result of each notification.
    """

    def __init__(self, channels: list[Channel], report: Callable[[str, str], None]) -> None:
        self._outboxes = [Outbox(channel, report) for channel in channels]

    def tell(self, change: Change) -> None:
        """Leave a change to be sent; returns at once."""
        for outbox in self._outboxes:
            outbox.offer(change)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the context lasts."""
        async with AsyncExitStack() as stack:
            for outbox in self._outboxes:
                await stack.enter_async_context(outbox.running())
            yield


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that are switched on.

    Raises:
        SettingsInvalid: A secret cannot be read, or the webhook's URL is none.
    """
    channels: list[Channel] = []
    if settings.webhook_url is not None:
        secret = _secret("SMOKE_WEBHOOK_SECRET_FILE", settings.webhook_secret_file)
        channels.append(_webhook(settings.webhook_url, secret))
    if settings.mqtt_host is not None:
        channels.append(_mqtt(settings, settings.mqtt_host))
    return channels


def _webhook(url: str, secret: str) -> Channel:
    try:
        return Webhook(url, secret.encode())
    except ValueError as error:
        raise SettingsInvalid(f"SMOKE_WEBHOOK_URL: {error}") from error


def _mqtt(settings: Settings, host: str) -> Channel:
    file = settings.mqtt_password_file
    password = _secret("SMOKE_MQTT_PASSWORD_FILE", file) if file else None
    return Mqtt(
        Broker(host, settings.mqtt_port, settings.mqtt_username, password, settings.mqtt_tls, settings.mqtt_prefix)
    )


def _secret(name: str, file: Path | None) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"{name}: {error}") from error
    if not secret:
        raise SettingsInvalid(f"{name}: found no secret, expected a file that holds one")
    return secret
