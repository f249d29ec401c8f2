"""The client for programs in Python: frames in, typed replies with maps as arrays out; retries with patience, up to a deadline."""

from service.client.asynchronous import AsyncSmokeClient
from service.client.errors import ClientError
from service.client.reply import SegmentReply
from service.client.retries import Retries
from service.client.synchronous import SmokeClient

__all__ = ["AsyncSmokeClient", "ClientError", "Retries", "SegmentReply", "SmokeClient"]
