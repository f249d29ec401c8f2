"""The service calls a webhook: from the settings to the receiver, over restarts and kills."""

import json
import re
import time

import pytest
from starlette.testclient import TestClient

from service.errors import SettingsInvalid
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from tests.pictures import file_of, plume
from tests.service.notifications.receiver import eventually
from tests.service.notifications.test_webhook import SECRET, verified


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_refused_at_the_start(open_client, tmp_path, text):
    (tmp_path / "secret").write_text("s")
    if text is not None:
        (tmp_path / "authority.pem").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"SMOKE_WEBHOOK_CA_FILE: .*authority.pem"):
        open_client(
            webhook_url="https://127.0.0.1/",
            webhook_secret_file=tmp_path / "secret",
            webhook_ca_file=tmp_path / "authority.pem",
        )


def restartable(model, folder, receiver) -> TestClient:
    (folder / "secret").write_text("a secret between two\n")
    settings = Settings.load(
        wait_max_ms=600_000,
        state_file=folder / "state.json",
        webhook_url=receiver.url,
        webhook_secret_file=folder / "secret",
    )
    return TestClient(create_app(settings, lambda: LoadedModel(model, lambda: model)))


def test_an_alarm_that_a_broken_receiver_did_not_take_arrives_after_a_restart_and_then_no_more(
    model, receiver, tmp_path
):
    receiver.broken = True
    with restartable(model, tmp_path, receiver) as client:
        for minute in range(3):
            post(client, minute)
        assert receiver.one_came.acquire(timeout=60)
        waiting = re.search(r'waiting_seconds{channel="webhook"} (\S+)', client.get("/metrics").text)
        assert waiting
        assert float(waiting[1]) > 0
    refused = len(receiver.came)
    assert json.loads((tmp_path / "state.json").read_text())["undelivered"]["webhook"][0]["camera_id"] == "ridge"
    receiver.broken = False
    with restartable(model, tmp_path, receiver):
        eventually(lambda: len(receiver.came) > refused)
    first, *_, last = (json.loads(body) for _, body in receiver.came)
    assert len(receiver.came) == refused + 1
    assert (last["after"], last["id"]) == ("alarm", first["id"])
    assert "undelivered" not in json.loads((tmp_path / "state.json").read_text())
    with restartable(model, tmp_path, receiver):
        pass
    assert len(receiver.came) == refused + 1


def test_what_waits_is_on_disk_while_the_service_runs_so_that_a_kill_loses_nothing(model, receiver, tmp_path):
    receiver.broken = True
    with restartable(model, tmp_path, receiver) as client:
        for minute in range(3):
            post(client, minute)
        eventually(lambda: "undelivered" in (tmp_path / "state.json").read_text())
        receiver.broken = False
        eventually(lambda: "undelivered" not in (tmp_path / "state.json").read_text())


def post(client, minute: int) -> None:
    query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    assert client.post(f"/segment?{query}", content=file_of(plume())).status_code == 200


def test_the_service_calls_when_an_alarm_is_raised_and_a_receiver_that_does_not_answer_delays_no_frame(
    open_client, receiver, tmp_path
):
    (tmp_path / "secret").write_text("a secret between two\n")
    client = open_client(webhook_url=receiver.url, webhook_secret_file=tmp_path / "secret")
    receiver.free.clear()
    for minute in range(6):
        post(client, minute)
    assert receiver.came == []
    receiver.free.set()
    assert receiver.one_came.acquire(timeout=60)
    (headers, body), *_ = receiver.came
    (region,) = client.get("/cameras/ridge").json()["regions"]
    (box,) = json.loads(body)["boxes"]
    assert box == region["bbox"]
    assert verified(headers, body, SECRET, time.time())
    assert json.loads(body)["after"] == "alarm"


@pytest.mark.parametrize("url", ["http://host:port/x", "http://[::1/x"])
def test_a_url_that_is_none_is_refused_at_the_start(open_client, tmp_path, url):
    (tmp_path / "secret").write_text("s")
    with pytest.raises(SettingsInvalid, match=f"SMOKE_WEBHOOK_URL: found '{re.escape(url)}', expected a URL"):
        open_client(webhook_url=url, webhook_secret_file=tmp_path / "secret")


def test_a_channel_that_has_sent_nothing_is_counted_already(open_client, receiver, tmp_path):
    (tmp_path / "secret").write_text("s")
    client = open_client(webhook_url=receiver.url, webhook_secret_file=tmp_path / "secret")
    assert 'smoke_notifications_total{channel="webhook",result="failed"} 0.0' in client.get("/metrics").text


def test_a_url_without_a_secret_is_refused_at_the_start(open_client, tmp_path):
    with pytest.raises(SettingsInvalid, match="SMOKE_WEBHOOK_SECRET_FILE where SMOKE_WEBHOOK_URL is set"):
        open_client(webhook_url="http://127.0.0.1/")
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SettingsInvalid, match=r"SMOKE_WEBHOOK_SECRET_FILE: found .* empty"):
        open_client(webhook_url="http://127.0.0.1/", webhook_secret_file=tmp_path / "secret")
    with pytest.raises(SettingsInvalid, match="SMOKE_WEBHOOK_URL"):
        open_client(webhook_url="file:///etc/passwd", webhook_secret_file=tmp_path / "secret")


def test_a_secret_of_standard_webhooks_that_is_no_base64_is_refused_at_the_start(open_client, tmp_path):
    (tmp_path / "secret").write_text("whsec_no base64!\n")
    with pytest.raises(SettingsInvalid, match="SMOKE_WEBHOOK_SECRET_FILE: found whsec_ and no base64"):
        open_client(webhook_url="http://127.0.0.1/", webhook_secret_file=tmp_path / "secret")
