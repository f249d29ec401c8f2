"""The cameras' states in Redis, for processes that share them: by optimistic locking their frames count one after another.

    smoke:camera:ID     the camera as JSON, for two days after its last change
    smoke:versions      ID -> how often it was changed: who reads this knows what is new
    smoke:tried         written to see whether anything can be

A change reads the camera under WATCH and writes it in MULTI; where another came first, Redis refuses the writing, and it begins anew
(`Redis.transaction`). Where Redis has lost a camera, it goes on from what this process knows.
"""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.cameras.camera import Camera
from service.cameras.storage.encoding import camera_from_json, camera_to_json
from service.cameras.storage.store import Told
from service.errors import StateUnknown, in_one_line

_LOG = logging.getLogger("service.cameras")
_VERSIONS: Final = "smoke:versions"
_TRIED: Final = "smoke:tried"
_KEPT_S: Final = 2 * 86_400
_LEFT_S: Final = 60
"""A camera that is forgotten stays so long, for the others to see that its alarm has ended."""
_PATIENCE_S: Final = 1.0
_AT_ONCE: Final = 16
"""Most cameras in an answer: some megabytes, which come within that time, and are read while no frame waits for long."""
Answered = TypeVar("Answered")


class _ChangeFailed(Exception):  # noqa: N818 - says what happened
    """A change raised: no fault of Redis."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class RedisStore:
    """A `CameraStore` that several processes share.

    Once Redis does not answer, or takes nothing because it is full or a replica, nobody waits for it again until `news`, which is asked
    for every second, could write and read.

    Args:
        url: `redis://` or `rediss://`, as redis-py reads it.
        password: Of the user whom the URL names, or of the default one.

    Attributes:
        connected: Whether Redis did what it was asked last.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        # Once more and at once: the connection may be one that Redis has closed.
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 1), "socket_connect_timeout": _PATIENCE_S}
        self._redis = Redis.from_url(url, password=password, **options)
        self.connected = True

    async def exchange(self, camera: Camera, change: Callable[[Camera], Told]) -> tuple[Camera, Told]:
        """See `CameraStore`."""
        if not self.connected:
            raise StateUnknown("found no connection to Redis, expected one; it is tried every second")
        key = _key(camera.id)

        async def attempt(pipe: Pipeline) -> tuple[Camera, Told]:
            fresh = _read(camera.id, await pipe.get(key)) or copy.deepcopy(camera)
            try:
                told = change(fresh)
            except Exception as error:
                raise _ChangeFailed(error) from error
            fresh.version += 1
            pipe.multi()  # type: ignore[no-untyped-call]
            pipe.set(key, camera_to_json(fresh), ex=_KEPT_S)
            pipe.hset(_VERSIONS, camera.id, str(fresh.version))
            return fresh, told

        try:
            return await self._asked(self._redis.transaction(attempt, key, value_from_callable=True))
        except _ChangeFailed as failed:
            raise failed.error from None

    async def news(self, versions: Mapping[str, int], room: int) -> list[Camera]:
        """See `CameraStore`."""
        if not self.connected:  # one that is full, or a replica, answers whoever reads
            await self._asked(self._redis.set(_TRIED, "", ex=_LEFT_S))
        found = await self._asked(self._versions())
        fresh = [name for name, version in found.items() if version > versions.get(name, 0)]
        names = [name for name in fresh if name in versions]
        names += [name for name in fresh if name not in versions][:room]
        cameras: list[Camera] = []
        for start in range(0, len(names), _AT_ONCE):
            cameras += await self._some(names[start : start + _AT_ONCE])
        if not self.connected:
            _LOG.warning("Redis answers again: the cameras' states are known")
        # Not before: what was changed meanwhile is known first.
        self.connected = True
        return cameras

    async def _versions(self) -> dict[str, int]:
        return {_name(name): int(at) for name, at in (await self._redis.hgetall(_VERSIONS)).items()}

    async def _some(self, names: Sequence[str]) -> list[Camera]:
        """A few cameras; the versions of those that are gone, or cannot be read, go too, or they would be asked for every second."""
        texts = await self._asked(self._redis.mget([_key(name) for name in names]))
        cameras = {name: _read(name, text) for name, text in zip(names, texts, strict=True)}
        if gone := [name for name, camera in cameras.items() if camera is None]:
            await self._asked(self._redis.hdel(_VERSIONS, *gone))
        return [camera for camera in cameras.values() if camera is not None]

    async def forget(self, camera_id: str) -> None:
        """See `CameraStore`."""
        await self._asked(self._redis.expire(_key(camera_id), _LEFT_S))
        await self._asked(self._redis.hdel(_VERSIONS, camera_id))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def _asked(self, question: Awaitable[Answered]) -> Answered:
        """Redis' answer, or StateUnknown; the log says when it goes. What is no Redis makes redis-py raise anything."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await question
        except _ChangeFailed:
            raise
        except Exception as error:
            found = f"no answer within {_PATIENCE_S:g} s" if isinstance(error, TimeoutError) else _words(error)
            if self.connected:
                _LOG.error("Redis fails: the cameras' states are unknown", extra={"error": found})
            self.connected = False
            raise StateUnknown(f"found Redis failing ({found}), expected an answer; try again") from error


def _key(camera_id: str) -> str:
    return f"smoke:camera:{camera_id}"


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) if isinstance(error, RedisError) else in_one_line(error)


def _name(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()


def _read(camera_id: str, text: bytes | str | None) -> Camera | None:
    """The camera; None where there is none, or nothing that can be read: then this process goes on from what it knows."""
    try:
        return camera_from_json(text) if text else None
    except ValueError as error:
        _LOG.error("state in Redis cannot be read", extra={"camera": camera_id, "error": str(error)[:500]})
        return None
