"""The client for asyncio; `service.client.synchronous` has the same calls."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal, Self, Unpack

import httpx2

from service.api.schemas.cameras import CameraBody, CamerasBody, FeedbackBody
from service.api.schemas.model import ReleaseBody
from service.client.calls import (
    TIMEOUT,
    Call,
    Frame,
    SegmentParameters,
    acknowledge_call,
    body_of,
    camera_call,
    feedback_call,
    key_headers,
    refusal_of,
    segment_call,
    unreachable,
)
from service.client.errors import Refused
from service.client.events import STREAM_TIMEOUT, CameraEvent, EventLines
from service.client.reply import SegmentReply
from service.client.retries import Attempts, Retries


class AsyncSmokeClient:
    """Calls a service. Use as a context manager, or call `aclose` at the end.

    Args:
        url: Of the service, as `http://127.0.0.1:8000`.
        api_key: A key, where the service asks for one.
        deadline_s: Seconds after which an answer is of no use, pauses and repeats included; a call can have its own. None: no deadline.
        retries: How often, and how far apart, a call is made again.
        options: What `httpx2.AsyncClient` takes besides, as `verify` for a private authority.

    Every call raises ClientError, by one class for each cause (`service.client.errors`).
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        deadline_s: float | None = 60.0,
        retries: Retries = Retries(),  # noqa: B008 - a frozen value
        **options: Any,  # noqa: ANN401
    ) -> None:
        self._http = httpx2.AsyncClient(base_url=url, headers=key_headers(api_key), timeout=TIMEOUT, **options)
        self._deadline_s, self._retries = deadline_s, retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def segment(
        self, frame: Frame, *, deadline_s: float | None = None, **options: Unpack[SegmentParameters]
    ) -> SegmentReply:
        """Find smoke in a frame: a path, the bytes of a picture file, or an array (height, width, 3) of uint8, red first.

        The options are the query of `POST /segment`: camera_id, view, captured_at, outputs, resolution, encoding, overlay_encoding,
        threshold, tiles, latest. A frame of a camera is sent again after a broken connection only if it has `captured_at`, by which
        the service knows a repeat.
        """
        call = await asyncio.to_thread(segment_call, frame, **options)
        return body_of(await self._send(call, deadline_s), SegmentReply)

    async def model(self) -> ReleaseBody:
        """The model in service."""
        return body_of(await self._send(Call("GET", "/model")), ReleaseBody)

    async def cameras(self) -> list[CameraBody]:
        """Every camera that the service remembers, alarming ones first."""
        return body_of(await self._send(Call("GET", "/cameras")), CamerasBody).cameras

    async def camera(self, camera_id: str) -> CameraBody:
        """One camera."""
        return body_of(await self._send(camera_call(camera_id)), CameraBody)

    async def acknowledge(self, camera_id: str, by: str | None = None) -> CameraBody:
        """Take a camera's alarm on, in a person's name or in that of the key; it is told once, and no more of it until it ends."""
        return body_of(await self._send(acknowledge_call(camera_id, by)), CameraBody)

    async def feedback(
        self,
        camera_id: str,
        verdict: Literal["true_alarm", "false_alarm"],
        *,
        note: str = "",
        alarm_id: str | None = None,
    ) -> FeedbackBody:
        """Say whether an alarm was one."""
        return body_of(await self._send(feedback_call(camera_id, verdict, note, alarm_id)), FeedbackBody)

    async def events(self) -> AsyncIterator[CameraEvent]:
        """Every camera as it stands, then each after each of its frames, without end: for `async for`.

        The service ends a stream now and then. A new one is asked for then, and begins with every camera again; whoever is not told
        within `Retries` raises ClientError.
        """
        attempts = Attempts(self._retries, None)
        while True:
            try:
                async with self._http.stream("GET", "/events", timeout=STREAM_TIMEOUT) as response:
                    if not response.is_success:
                        await response.aread()
                        raise refusal_of(response)
                    taken = EventLines()
                    async for line in response.aiter_lines():
                        if event := taken.take(line):
                            attempts = Attempts(self._retries, None)
                            yield event
                pause_s = self._retries.first_pause_s
            except httpx2.TransportError as error:
                pause_s = attempts.pause_s(unreachable(error, self._http.base_url))
            except Refused as refusal:
                pause_s = attempts.pause_s(refusal)
            await asyncio.sleep(pause_s)

    async def _send(self, call: Call, deadline_s: float | None = None) -> httpx2.Response:
        attempts = Attempts(self._retries, self._deadline_s if deadline_s is None else deadline_s)
        while True:
            try:
                response = await self._http.request(**call.arguments(attempts.left_s))
            except httpx2.TransportError as error:
                pause_s = attempts.pause_s(unreachable(error, self._http.base_url), again=call.may_repeat(error))
            else:
                if response.is_success:
                    return response
                pause_s = attempts.pause_s(refusal_of(response))
            await asyncio.sleep(pause_s)
