"""A watch that cannot begin says why in one line."""

import re
import socket
from importlib import import_module
from pathlib import Path

import pytest

from service.__main__ import main

FOLDER = "[camera.a]\nkind = 'folder'\npath = '/x'\n"
command = import_module("service.cli.watch.command")


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Call it with a file of cameras; returns the exit code and what it said."""
    monkeypatch.setattr(command, "limit_heap", lambda: None)
    monkeypatch.setattr(command, "start_logging", lambda *_, **__: None)

    def call(text: str, *options: str) -> tuple[int, str]:
        (tmp_path / "cameras.toml").write_text(text)
        code = main(["watch", str(tmp_path / "cameras.toml"), *options])
        return code, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("[camera.a]\nkind = 'rtps'", [], "camera.a.kind: found 'rtps', expected one of rtsp"),
        (FOLDER, ["--key-file", "/gone"], "--key-file: found /gone: No such file or directory, expected a file"),
        (FOLDER, ["--server", "nowhere"], "--server: expected http://HOST:PORT"),
        (FOLDER, ["--server", "http://me:geheim@server"], "--server: expected http://HOST:PORT"),
        (FOLDER, ["--server", "http://server:port"], "--server: found no URL"),
    ],
)
def test_a_wrong_call_is_one_line(told, text, options, words):
    code, said = told(text, *options)
    assert code == 2
    assert said.startswith("smoke-bvm: ")
    assert words in said
    assert said.count("\n") == 1
    assert "geheim" not in said


def test_a_port_that_is_taken_is_said(told):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = told(FOLDER, "--server", "http://127.0.0.1:1", "--metrics-port", port)
    assert code == 5
    assert re.fullmatch(rf"smoke-bvm: cannot serve metrics on 127.0.0.1:{port}: Address already in use\n", said)


def test_no_port_is_said(told, capsys):
    with pytest.raises(SystemExit):
        told(FOLDER, "--metrics-port", "65536")
    assert "found '65536', expected a port from 0 to 65535" in capsys.readouterr().err
