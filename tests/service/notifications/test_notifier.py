"""What was not told before a restart is told after it."""

import json
import math

import pytest

from service.cameras.alarm import AlarmState
from service.cameras.alarm_status import AlarmTransition
from service.notifications.notifier import Notifier
from service.notifications.outbox import Outbox
from service.notifications.webhook import Webhook

RAISED = AlarmTransition("ridge", AlarmState.SUSPECTED, AlarmState.ALARM, 60.0, 4 / 3, 4, ((0.1, 0.2, 0.3, 0.4),))


def notifier() -> Notifier:
    return Notifier([Outbox(Webhook("http://127.0.0.1:9/", b"secret"), lambda *_: None, kept=True)])


def test_what_is_undelivered_comes_back_from_the_file_as_it_was(tmp_path):
    before, after = notifier(), notifier()
    before.notify(RAISED)
    (tmp_path / "state.json").write_text(json.dumps({"undelivered": before.undelivered()}))
    after.resume(tmp_path / "state.json")
    assert after.sinks[0].undelivered == [RAISED]
    assert after.undelivered() == before.undelivered()


@pytest.mark.parametrize("text", ["[" * 3_000, '{"undelivered": ' + "[" * 3_000 + "]" * 3_000 + "}"])
def test_undelivered_messages_that_cannot_be_read_are_not_lost_without_a_word(tmp_path, caplog, text):
    (tmp_path / "state.json").write_text(text)
    resumed = notifier()
    resumed.resume(tmp_path / "state.json")
    assert resumed.undelivered() == {}
    (told,) = caplog.records
    assert (told.message, told.file) == (
        "undelivered notifications of before the start cannot be read, and are lost",
        str(tmp_path / "state.json"),
    )


def test_nothing_undelivered_is_nothing_to_write():
    assert notifier().undelivered() == {}


@pytest.mark.parametrize(
    "undelivered",
    [
        [],
        {"webhook": {}},
        {"webhook": [RAISED._replace(since_s=math.nan)._asdict()]},
        {"webhook": [RAISED._replace(camera_id="a b")._asdict()]},
        {"webhook": [RAISED._asdict() | {"after": "mint"}]},
        {"smoke signals": [RAISED._asdict()]},
    ],
)
def test_what_cannot_be_is_not_sent(tmp_path, undelivered):
    (tmp_path / "state.json").write_text(json.dumps({"undelivered": undelivered}))
    resumed = notifier()
    resumed.resume(tmp_path / "state.json")
    assert resumed.undelivered() == {}


def test_what_has_no_channel_any_more_is_said(tmp_path, caplog):
    (tmp_path / "state.json").write_text(json.dumps({"undelivered": {"webhook": [RAISED._asdict()]}}))
    Notifier([]).resume(tmp_path / "state.json")
    assert "have no channel any more" in caplog.text


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"schema": 1, "cameras": {}}'])
def test_a_file_that_says_nothing_of_it_is_no_hindrance(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    notifier().resume(tmp_path / "state.json")
    notifier().resume(tmp_path / "missing.json")
    notifier().resume(None)
