import json
import logging
import sys
import threading

import pytest

from service.server.logs import ConsoleFormatter, JsonFormatter, in_sentences, start_logging


def record_of(message: str, exc_info=None, **extra) -> logging.LogRecord:
    return logging.getLogger("test").makeRecord("test", logging.WARNING, "", 1, message, (), exc_info, extra=extra)


def record(message: str, exc_info=None, **extra) -> dict:
    line = JsonFormatter().format(record_of(message, exc_info, **extra))
    assert "\n" not in line
    return json.loads(line)


def test_a_line_names_time_level_logger_message_and_fields():
    line = record("request", request_id="a1", status=200)
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "logger": "test", "message": "request", "request_id": "a1", "status": 200}


def test_a_client_cannot_forge_a_line():
    assert record("request", path='/a"\n{"level": "info"}')["path"] == '/a"\n{"level": "info"}'


def test_an_exception_stays_on_its_line():
    try:
        raise ValueError("found\ntwo lines")
    except ValueError:
        line = record("failed", exc_info=sys.exc_info())
    assert "ValueError: found\ntwo lines" in line["exception"]


def test_a_person_reads_the_same_as_a_sentence():
    line = ConsoleFormatter().format(record_of("request", status=200, path="/segment"))
    assert line.endswith(" warning: request  status: 200  path: /segment")


def test_a_client_cannot_forge_a_sentence_or_steer_the_terminal():
    line = ConsoleFormatter().format(record_of("request", path="/a\n12:00:00 all is well\x1b[2J"))
    assert line.endswith(r"path: /a\n12:00:00 all is well\x1b[2J")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("chosen", "terminal", "sentences"),
    [("auto", True, True), ("auto", False, False), ("text", False, True), ("json", True, False)],
)
def test_the_form_of_the_log_can_be_chosen(monkeypatch, chosen, terminal, sentences):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert in_sentences(chosen) == sentences


def test_the_address_of_a_webhook_does_not_reach_the_log():
    root, client = logging.getLogger(), logging.getLogger("httpx2")
    before = (root.level, list(root.handlers), client.level)
    try:
        start_logging("info", "json")
        assert not client.isEnabledFor(logging.INFO)
    finally:
        logging.captureWarnings(capture=False)
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        client.setLevel(before[2])


def test_a_thread_that_dies_says_so_in_the_log(capfd, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    start_logging("info", "json")
    (handler,) = logging.getLogger().handlers

    def work() -> None:
        raise ValueError("mint")

    thread = threading.Thread(target=work, name="reload")
    thread.start()
    thread.join()
    handler.close()
    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (line["message"], line["thread_name"]) == ("thread died", "reload")
    assert "ValueError: mint" in line["exception"]
