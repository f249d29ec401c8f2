"""Messages of an alarm lead to it and to its picture."""

import asyncio
import json

import pytest

from service.alarms.pictures import SMALL_BYTES_MAX
from service.api.schemas.notifications import MqttStateBody, WebhookBody
from service.errors import SettingsInvalid
from service.notifications.links import AlarmLinks
from service.notifications.topics import Topics
from tests.pictures import array_of, file_of, plain, plume
from tests.service.notifications.mosquitto import Mosquitto, retained
from tests.service.notifications.receiver import eventually

ALARM_ID = "20260801T120000123Z-0123456789abcdef"


def post(client, frame, minute: int) -> dict:
    query = f"camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z&outputs="
    return client.post(f"/segment?{query}", content=file_of(frame)).json()


@pytest.mark.parametrize(
    ("public_url", "start"),
    [
        ("", ""),
        ("https://smoke.example", "https://smoke.example/"),
        ("https://example.org/smoke/", "https://example.org/smoke/"),
    ],
)
def test_links_stand_below_the_public_address_or_are_relative(public_url, start):
    assert AlarmLinks(public_url, pictures=True).to(ALARM_ID) == {
        "alarm_id": ALARM_ID,
        "alarm_url": f"{start}alarms/{ALARM_ID}",
        "picture_url": f"{start}alarms/{ALARM_ID}/overlay.jpg?which=latest",
    }


def test_where_no_pictures_are_kept_none_is_promised_and_of_no_alarm_nothing_is_said():
    assert set(AlarmLinks().to(ALARM_ID)) == {"alarm_id", "alarm_url"}
    assert AlarmLinks().to(None) == {}


@pytest.mark.parametrize("url", ["smoke.example", "ftp://smoke.example", "https://smoke.example/?a=b", "https://"])
def test_a_public_address_that_is_none_is_refused(open_client, url):
    with pytest.raises(SettingsInvalid, match="SMOKE_PUBLIC_URL"):
        open_client(public_url=url)


def test_a_webhook_names_the_alarm_that_begins_and_that_ends_and_its_picture_is_there(open_client, tmp_path, receiver):
    (tmp_path / "secret").write_text("a secret between two\n")
    client = open_client(
        alarm_dir=tmp_path / "alarms",
        public_url="http://testserver",
        webhook_url=receiver.url,
        webhook_secret_file=tmp_path / "secret",
    )
    alarm_id = [post(client, plume(), minute) for minute in range(3)][-1]["alarm"]["id"]
    eventually(lambda: len(receiver.came) == 1)
    for minute in range(3, 8):
        post(client, plain(0, 0, minute), minute)
    eventually(lambda: len(receiver.came) == 2)
    told = [json.loads(body) for _, body in receiver.came]
    for message in told:
        WebhookBody.model_validate(message)
        assert message["alarm_id"] == alarm_id
        assert client.get(message["alarm_url"]).json()["camera_id"] == "ridge"
        assert client.get(message["picture_url"]).headers["content-type"] == "image/jpeg"
    assert [(message["before"], message["after"]) for message in told] == [("suspected", "alarm"), ("alarm", "clear")]


def test_home_assistant_is_shown_the_picture_of_the_latest_alarm(open_client, tmp_path, broker: Mosquitto):
    client = open_client(alarm_dir=tmp_path, mqtt_host="127.0.0.1", mqtt_port=broker.port)
    topics = Topics("smoke")
    topic, image = topics.image_discovery("ridge")[0], topics.image("ridge")
    alarm_id = [post(client, plume(640, 480), minute) for minute in range(3)][-1]["alarm"]["id"]

    def told(found: dict[str, bytes]) -> bool:
        return image in found and json.loads(found.get(topics.state("ridge"), b"{}")).get("state") == "alarm"

    found = asyncio.run(retained(broker.port, told))
    config = json.loads(found[topic])
    assert (config["image_topic"], config["content_type"]) == (image, "image/jpeg")
    detector = json.loads(found[topics.discovery("ridge")[0]])
    assert config["device"] == detector["device"]
    assert config["unique_id"] != detector["unique_id"]
    assert len(found[image]) <= SMALL_BYTES_MAX
    assert array_of(found[image]).shape == (480, 640, 3)
    state = json.loads(found[topics.state("ridge")])
    MqttStateBody.model_validate(state, strict=False)
    assert (state["alarm_id"], state["alarm_url"]) == (alarm_id, f"alarms/{alarm_id}")


def test_without_a_folder_for_pictures_none_is_published(open_client, broker: Mosquitto):
    client = open_client(mqtt_host="127.0.0.1", mqtt_port=broker.port)
    for minute in range(3):
        post(client, plume(), minute)

    def alarmed(found: dict[str, bytes]) -> bool:
        return b'"alarm"' in found.get("smoke/camera/ridge/state", b"")

    assert not [topic for topic in asyncio.run(retained(broker.port, alarmed)) if "image" in topic]
