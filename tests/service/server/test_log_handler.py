"""Lines of the log on their way into a pipe that is read slowly, not at all, or no more."""

import fcntl
import logging
import os
import re
import threading
import time

from service.server.log_handler import QueuedHandler

PIPE_BYTES = 4096
LINES_MAX = 50


class Pipe:
    """A pipe that holds little, and a handler that writes to it."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.handler = QueuedHandler(writing, LINES_MAX)
        self.handler.setFormatter(logging.Formatter("%(message)s %(lines)s", defaults={"lines": ""}))
        os.close(writing)

    def say(self, message: str) -> None:
        self.handler.handle(logging.LogRecord("test", logging.INFO, "", 1, message, (), None))

    def read_to_the_end(self) -> str:
        """While the handler is closed, which is not before the first of it is read."""
        with os.fdopen(self.reading, encoding="utf-8") as stream:
            text = stream.read(1)
            ending = threading.Thread(target=self.handler.close)
            ending.start()
            text += stream.read()
            ending.join()
        return text


def test_lines_arrive_whole_and_the_last_ones_before_the_end():
    pipe, long = Pipe(), "x" * 3 * PIPE_BYTES
    pipe.say("smoke ✓")
    pipe.say(long)
    assert pipe.read_to_the_end() == f"smoke ✓ \n{long} \n"


def test_nobody_waits_for_a_reader_who_takes_nothing_and_what_is_lost_is_said():
    pipe, began_s = Pipe(), time.perf_counter()
    for number in range(1000):
        pipe.say(f"line {number} {'x' * 100}")
    assert time.perf_counter() - began_s < 30
    text = pipe.read_to_the_end()
    kept, lost = text.count("line "), sum(map(int, re.findall(r"are lost: .* (\d+)", text)))
    assert text.startswith("line 0 ")
    assert lost > 500
    assert kept + lost == 1000


def test_the_end_does_not_wait_for_a_reader_who_takes_nothing():
    pipe = Pipe()
    for _ in range(1000):
        pipe.say("x" * 100)
    began_s = time.perf_counter()
    pipe.handler.close()
    assert time.perf_counter() - began_s < 30
    os.close(pipe.reading)


def test_a_reader_who_is_gone_is_no_error(capfd):
    reading, writing = os.pipe()
    handler = QueuedHandler(writing)
    os.close(reading)
    for _ in range(2):
        handler.handle(logging.LogRecord("test", logging.INFO, "", 1, "nobody hears that", (), None))
    handler.close()
    os.close(writing)
    assert not handler._writer.is_alive()
    assert capfd.readouterr().err == ""
