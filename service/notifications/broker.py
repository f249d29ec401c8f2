"""The MQTT broker: where it is, who we are to it, and a connection whose end it tells."""

import ssl
from dataclasses import dataclass
from typing import Final

import aiomqtt

_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Where the broker is, and who we are to it; without `tls` in the clear."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    prefix: str = "smoke"


def connection(broker: BrokerOptions, status_topic: str) -> aiomqtt.Client:
    """A connection that is not open yet; when it is lost the broker says `offline` there."""
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        tls_context=broker.tls,
        will=aiomqtt.Will(status_topic, b"offline", qos=1, retain=True),
        timeout=_TIMEOUT_S,
    )
