"""What the documents of training show is there: the code of each equation, every command and every setting."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from training.__main__ import _parser
from training.commands.config_file import read_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("training/README.md", "training/PAPER.md", "training/EXPERIMENTS.md", "models/README.md")
_BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The lines of `smoke-bvm-train` in them; one goes on after a backslash."""
    blocks = [body for name in DOCUMENTS for body in _BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))]
    lines = [line for block in blocks for line in re.sub(r"\\\n +", " ", block).splitlines()]
    return [line for line in lines if line.startswith("smoke-bvm-train ")]


def test_every_equation_names_code_that_is_there():
    named = re.findall(
        r"`((?:models|training)/[\w/]+\.py):(\w+)`", (ROOT / "training/PAPER.md").read_text(encoding="utf-8")
    )
    assert len(named) > 12
    for path, name in named:
        body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
        assert name in {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}, path


def test_the_documents_have_commands():
    assert len(commands()) > 20


@pytest.mark.parametrize("command", commands())
def test_every_command_is_one_with_settings_that_there_are(command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    options = _parser().parse_args(shlex.split(command, comments=True)[1:])
    if "config" in options:
        read_config(options.config, options.overrides)
