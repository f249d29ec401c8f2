"""The webhook against a real HTTP server on the loopback."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import ssl
from pathlib import Path

import h11
import pytest
import trustme

from service.api.schemas.notifications import WebhookBody
from service.cameras.alarm import Acknowledgement, AlarmState
from service.cameras.alarm_status import AlarmTransition
from service.notifications.outbox import DeliveryFailed, Outbox, RetryPolicy
from service.notifications.webhook import Webhook, headers_of, message
from service.runtime.backoff import Backoff
from tests.service.notifications.receiver import Receiver

SECRET = b"a secret between two"
RAISED = AlarmTransition(
    "ridge",
    AlarmState.SUSPECTED,
    AlarmState.ALARM,
    1_767_268_800.0,
    4 / 3,
    4,
    ((0.1, 0.2, 0.3, 0.4),),
    ((10, 15, 20, 15),),
)


@pytest.fixture
def private(receiver: Receiver, tmp_path: Path) -> Path:
    """The receiver speaks TLS with a certificate of an authority of its own, whose file this is."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return tmp_path / "authority.pem"


def deliver(url: str, change: AlarmTransition = RAISED) -> None:
    async def run() -> None:
        webhook = Webhook(url, SECRET, clock=lambda: 1_767_268_860.5)
        async with webhook.opened():
            await webhook.deliver(change)

    asyncio.run(run())


def test_an_alarm_arrives_signed_and_says_what_happened(receiver):
    deliver(receiver.url)
    ((headers, body),) = receiver.came
    assert verified(headers, body, SECRET, 1_767_268_860.5)
    WebhookBody.model_validate_json(body, strict=True)
    told = json.loads(body)
    assert re.fullmatch(r"[0-9a-f-]{36}", told.pop("id"))
    assert told == {
        "camera_id": "ridge",
        "before": "suspected",
        "after": "alarm",
        "since": "2026-01-01T12:00:00.000Z",
        "score": 1.333333,
        "frames": 4,
        "boxes": [{"x": 10, "y": 15, "width": 20, "height": 15}],
        "sent_at": "2026-01-01T12:01:00.500Z",
    }


def test_an_alarm_in_a_view_of_a_camera_names_the_view(receiver):
    for change in (RAISED, RAISED._replace(view="east")):
        deliver(receiver.url, change)
    bodies = [body for _, body in receiver.came]
    assert [WebhookBody.model_validate_json(body, strict=True).view for body in bodies] == ["", "east"]
    assert len({json.loads(body)["id"] for body in bodies}) == 2


def test_a_repeat_has_the_same_id_and_another_alarm_another(receiver):
    for change in (RAISED, RAISED, RAISED._replace(since_s=1_767_272_400.0)):
        deliver(receiver.url, change)
    first, again, other = (json.loads(body)["id"] for _, body in receiver.came)
    assert first == again != other


@pytest.mark.parametrize(
    ("status", "permanent"),
    [*((status, False) for status in (307, 401, 403, 404, 429, 500)), *((status, True) for status in (400, 410, 422))],
)
def test_a_refusal_is_a_failure_that_another_attempt_may_mend_or_not(receiver, status, permanent):
    receiver.statuses = [status]
    with pytest.raises(DeliveryFailed, match=f"found status {status}") as failure:
        deliver(receiver.url)
    assert failure.value.permanent == permanent
    assert len(receiver.came) == 1


def test_nobody_there_is_a_failure_in_words():
    with pytest.raises(DeliveryFailed, match="ConnectError"):
        deliver("http://127.0.0.1:9/")


def test_a_receiver_that_answers_a_byte_at_a_time_is_a_failure_too(monkeypatch):
    monkeypatch.setattr("service.notifications.webhook._IN_ALL_S", 0.3)

    async def run() -> None:
        hung_up = asyncio.Event()

        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                for letter in b"HTTP/1.1 200 OK" * 100:
                    writer.write(bytes([letter]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.close()
            hung_up.set()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            webhook = Webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", SECRET)
            async with webhook.opened():
                with pytest.raises(DeliveryFailed, match="TimeoutError"):
                    await webhook.deliver(RAISED)
            await hung_up.wait()

    asyncio.run(run())


def test_of_a_receiver_that_says_continue_thousands_of_times_little_is_read_at_once(monkeypatch):
    """While 64 KiB of that were, again and again, nothing else went on for a third of a second."""
    read_bytes, receive_data = [], h11.Connection.receive_data

    def receive(connection: h11.Connection, data: bytes) -> None:
        read_bytes.append(len(data))
        receive_data(connection, data)

    monkeypatch.setattr(h11.Connection, "receive_data", receive)

    async def run() -> None:
        hung_up = asyncio.Event()

        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 16_000 + b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
                await reader.read()
            writer.close()
            hung_up.set()

        async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
            webhook = Webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", SECRET)
            async with webhook.opened():
                await webhook.deliver(RAISED)
            await hung_up.wait()

    asyncio.run(run())
    # The first are of before the connection was given little room.
    assert sum(size > 2**14 for size in read_bytes) < 4


def test_the_headers_of_standard_webhooks_are_those_of_its_published_example():
    """From the specification's reference libraries."""
    headers = headers_of(
        b"whsec_plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        1_731_705_121,
        b'{"event_type":"ping","data":{"success":true}}',
    )
    assert {name: value for name, value in headers.items() if name.startswith("webhook-")} == {
        "webhook-id": "msg_loFOjxBNrRLzqYUf",
        "webhook-timestamp": "1731705121",
        "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    }


def verified(headers: dict[str, str], body: bytes, key: bytes, now_s: float) -> bool:
    """Whether a message may be believed, step by step as the specification asks of a receiver."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(now_s - int(timestamp)) > 300 or "." in message_id:
        return False
    expected = hmac.new(key, b".".join([message_id.encode(), timestamp.encode(), body]), hashlib.sha256).digest()
    offered = [entry.partition(",") for entry in headers["webhook-signature"].split(" ")]
    return any(
        version == "v1" and hmac.compare_digest(base64.b64decode(value), expected) for version, _, value in offered
    )


def test_a_receiver_of_standard_webhooks_believes_what_it_is_sent_and_nothing_else(receiver):
    deliver(receiver.url)
    ((headers, body),) = receiver.came
    assert headers["webhook-id"] == json.loads(body)["id"]
    assert verified(headers, body, SECRET, 1_767_268_860.5)
    assert not verified(headers, body + b" ", SECRET, 1_767_268_860.5)
    assert not verified(headers, body, b"another secret", 1_767_268_860.5)
    assert not verified({**headers, "webhook-timestamp": "1767268861"}, body, SECRET, 1_767_268_860.5)
    assert not verified(headers, body, SECRET, 1_767_268_860.5 + 301)


def test_only_alarms_and_reviews_are_worth_a_call():
    webhook = Webhook("http://127.0.0.1/", SECRET)
    assert webhook.wants(RAISED)
    assert webhook.wants(RAISED._replace(before=AlarmState.REVIEW, after=AlarmState.CLEAR))
    assert not webhook.wants(RAISED._replace(before=AlarmState.CLEAR, after=AlarmState.SUSPECTED))


@pytest.mark.parametrize(
    ("status", "result"), [(400, "failed"), (410, "failed"), (503, "delivered"), (429, "delivered"), (404, "delivered")]
)
def test_a_receiver_that_refuses_for_good_is_left_alone_and_one_that_is_busy_is_not(receiver, status, result, caplog):
    receiver.statuses = [status] * (1 if result == "failed" else 12)
    results: list[str] = []

    async def run() -> None:
        policy = RetryPolicy(backoff=Backoff(0.001, 0.01))
        outbox = Outbox(Webhook(receiver.url, SECRET), lambda _, result: results.append(result), policy)
        async with outbox.running():
            outbox.notify(RAISED)
            await outbox._idle.wait()

    asyncio.run(run())
    assert results == [result]
    assert len(receiver.came) == (1 if result == "failed" else 13)
    assert "notification failed" in caplog.text


def test_a_receiver_with_a_certificate_of_ones_own_authority_is_believed_where_that_is_named(receiver, private):
    async def run(authority: ssl.SSLContext | None) -> None:
        webhook = Webhook(receiver.url.replace("http:", "https:"), SECRET, authority=authority)
        async with webhook.opened():
            await webhook.deliver(RAISED)

    with pytest.raises(DeliveryFailed, match="certificate verify failed"):
        asyncio.run(run(None))
    asyncio.run(run(ssl.create_default_context(cafile=private)))
    assert len(receiver.came) == 1


def test_who_has_taken_an_alarm_on_is_told_under_an_id_of_its_own():
    taken = RAISED._replace(before=AlarmState.ALARM, acknowledged=Acknowledgement("anna", 1_767_268_860.0))
    told, again = message(taken, 1.0), message(taken._replace(acknowledged=None), 1.0)
    assert told["acknowledged"] == {"by": "anna", "at": "2026-01-01T12:01:00.000Z"}
    assert "acknowledged" not in again
    assert told["id"] != again["id"]
    WebhookBody.model_validate(told)
