import argparse
import shutil
import subprocess
import sys

import pytest

from service.__main__ import main
from service.cli.parsing.commands import command_line
from service.cli.parsing.help import EXAMPLES, EXIT_CODES
from tests.tools import program


def commands() -> list[str]:
    (subparsers,) = (action for action in command_line()._actions if isinstance(action, argparse._SubParsersAction))
    return list(subparsers.choices)


def test_every_command_has_examples():
    assert sorted(EXAMPLES) == sorted(commands())


@pytest.mark.parametrize("command", sorted(EXAMPLES))
def test_its_help_shows_them_and_what_exit_codes_mean(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(line in said for line in EXAMPLES[command])
    assert EXIT_CODES in said


@pytest.mark.parametrize(
    "arguments", [[], ["segmnt"], ["segment"], ["segment", "x", "--out", "y", "--tres", "1"], ["models"]]
)
def test_a_wrong_call_is_one_line_that_says_where_to_look(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "--help` shows how, with examples" in said


def test_bash_completes_commands_options_and_choices(tmp_path):
    script = subprocess.run(
        [sys.executable, "-m", "service", "completion", "bash"], capture_output=True, text=True, check=True
    )
    (tmp_path / "completion.sh").write_text(script.stdout)
    asked = "source completion.sh; COMP_WORDS=({}); COMP_CWORD={}; _shtab_smoke_bvm; echo ${{COMPREPLY[@]}}"

    def completed(*words: str) -> list[str]:
        line = asked.format(" ".join(repr(word) for word in words), len(words) - 1)
        bash = subprocess.run(
            [program("bash", "bash"), "-c", line], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return bash.stdout.split()

    assert completed("smoke-bvm", "se") == ["serve", "segment"]
    assert "--resolution" in completed("smoke-bvm", "segment", "--res")
    assert completed("smoke-bvm", "segment", "--resolution", "m") == ["model"]
    shutil.copy(tmp_path / "completion.sh", tmp_path / "plume.png")
    assert "plume.png" in completed("smoke-bvm", "segment", "plu")
