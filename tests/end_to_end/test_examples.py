"""Every command and every piece of Python in the documents, and in `--help`, is run; what is not is named here with the reason."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.manifest import newest_release
from service.__main__ import main
from service.cli.parsing.commands import command_line
from service.cli.parsing.help import EXAMPLES
from service.client import SmokeClient
from tests.end_to_end.conftest import Server
from tests.films import write_video
from tests.pictures import file_of, plain, plume
from tests.tools import program

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = (
    "README.md",
    *(f"{folder}/README.md" for folder in ("service", "service/cameras", "service/server", "service/cli")),
    "tests/performance/README.md",
)
"""docker/README.md needs Docker; those of models and training the data sets (tests/training/test_documents.py reads their commands)."""
NOT_RUN = {
    r"^make (serve|test)": "installs into a new environment; tests/test_documents.py holds targets to the Makefile",
    r"^make ": "measures for minutes; tests/performance",
    r"^pip install": "downloads; tests/test_packaging.py installs the wheel",
    r"smoke-bvm serve": "runs until it is stopped: the servers of this test",
    r"smoke-bvm watch": "runs until it is stopped: tests/end_to_end/test_watch.py",
    r"smoke-bvm archive": "starts a cluster, and asks an object store: tests/service/cli/archive",
    r"^export RAY_|^serve run": "starts a cluster: tests/service/cluster",
    r"DATA|smoke-bvm replay clear": "needs the data sets, which are not in the repository",
}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(curl|smoke-bvm|\.venv/bin/smoke-bvm|make|pip|kill|eval|mkdir|SMOKE_\w+=\S+) ?")
_NO_COMMAND = re.compile(r'^(service/\n|")')
"""The tree, and a piece of a reply."""


def blocks(language: str) -> list[str]:
    texts = ((ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS)
    return [body for text in texts for found, body in _BLOCK.findall(text) if found == language]


def commands_of(block: str) -> list[str]:
    """Its commands; one goes on after a backslash and before a pipe."""
    return re.sub(r"\\\n +|\n +(?=\|)", " ", block).splitlines()


def documented() -> list[str]:
    shown = [block for block in blocks("") if not _NO_COMMAND.match(block)]
    return [line for block in shown for line in commands_of(block) if line.strip()]


def run_here(lines: list[str]) -> list[str]:
    """Each once, but for those that are not run; what is said of it is no part of a command."""
    bare = (re.sub(r" +# .*", "", line) for line in lines)
    return list(dict.fromkeys(line for line in bare if not any(re.search(pattern, line) for pattern in NOT_RUN)))


COMMANDS = documented() + [line for examples in EXAMPLES.values() for line in examples]


@dataclass(frozen=True)
class Stage:
    """Where the examples are run: a folder with what they name, an open service, and one that asks for keys."""

    folder: Path
    open: Server
    guarded: Server
    keys: dict[str, str]
    environment: dict[str, str]
    alarm: str

    def here(self, line: str) -> str:
        """The line with this stage's addresses, keys and ids."""
        (admin,) = (entry["admin_address"] for entry in self.guarded.log if "admin_address" in entry)
        guarded = "Bearer KEY" in line
        key = self.keys["maintainer" if "/admin/" in line else "gateway"]
        for written, real in (
            ("http://127.0.0.1:8000", self.guarded.url if guarded else self.open.url),
            ("http://HOST:8000", self.guarded.url),
            ("http://127.0.0.1:9000", admin),
            ("Bearer KEY", f"Bearer {key}"),
            ("HUP PID", f"HUP {self.guarded.process.pid}"),
            ("20260801T120000123Z-0123456789abcdef", self.alarm),
        ):
            line = line.replace(written, real)
        return line

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run it in bash; a refusal of curl's is a failure, and a stream ends after two seconds."""
        curl = f'curl() {{ command curl --fail-with-body -sS {"-m 2" if "/events" in line else ""} "$@"; }}; set -eo pipefail\n'
        bash = [program("bash", "bash"), "-c", curl + self.here(line)]
        return subprocess.run(
            bash, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def stage(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    program("curl", "curl")
    folder = tmp_path_factory.mktemp("examples")
    for name in ("FOLDER/below", "north-3", "bin", ".venv/bin"):
        (folder / name).mkdir(parents=True)
    for name in ("photo.jpg", "ridge.jpg", "FOLDER/one.jpg", "FOLDER/below/two.jpg"):
        (folder / name).write_bytes(file_of(plume(), "JPEG"))
    for number in range(6):
        picture = plume() if number > 2 else plain(26, 51, 128, 64, 48)
        (folder / f"north-3/{number}.jpg").write_bytes(file_of(picture, "JPEG"))
    write_video(folder / "film.mp4", [plume()] * 20)
    (folder / "models").symlink_to(ROOT / "models")
    for name, module in (("bin/smoke-bvm", "-m service"), (".venv/bin/smoke-bvm", "-m service"), ("bin/python3", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        (folder / name).chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    # Ours is the package of this checkout, wherever the examples are run.
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "SMOKE_MODEL_DIR": str(release),
        "SMOKE_PORT": "0",
    }
    keys = {name: _key(folder, environment, line) for name, line in _key_lines().items()}
    (folder / "keys.toml").rename(folder / "guarded.toml")
    started = [
        Server(release, SMOKE_ALARM_DIR=str(folder / "alarms")),
        Server(release, SMOKE_API_KEYS_FILE=str(folder / "guarded.toml"), SMOKE_ADMIN="true", SMOKE_ADMIN_PORT="0"),
    ]
    assert all(server.url for server in started)
    yield Stage(folder, *started, keys, environment, _alarm(started[0]))
    for server in started:
        server.end()


def _key_lines() -> dict[str, str]:
    return {line.split()[2]: line for line in documented() if line.startswith("smoke-bvm key ")}


def _key(folder: Path, environment: dict[str, str], line: str) -> str:
    bash = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return bash.stderr.splitlines()[0]


def _alarm(server: Server) -> str:
    """Raise an alarm; returns its id."""
    with SmokeClient(server.url, trust_env=False) as client:
        ids = [client.segment(plume(), camera_id="ridge", outputs=[]).alarm.id for _ in range(5)]
    assert ids[-1]
    return ids[-1]


def test_every_block_without_a_language_is_of_commands():
    unknown = [
        line for line in documented() if not _COMMAND.match(line) and not any(re.search(p, line) for p in NOT_RUN)
    ]
    assert unknown == []
    assert len(run_here(COMMANDS)) > 20


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_is_there(pattern: str):
    assert any(re.search(pattern, line) for line in COMMANDS)


def in_this_process(line: str) -> bool:
    """Most calls of ours need no shell, and no second process: `.venv/bin/smoke-bvm` is one, and `key` writes through the shell."""
    return line.startswith("smoke-bvm ") and ">" not in line


@pytest.mark.parametrize("line", [line for line in run_here(COMMANDS) if in_this_process(line)])
def test_a_call_of_the_documents_ends_well(stage: Stage, line: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(stage.folder)
    for name in ("SMOKE_MODEL_DIR", "SMOKE_PORT"):
        monkeypatch.setenv(name, stage.environment[name])
    assert main(shlex.split(line)[1:]) == 0


@pytest.mark.parametrize("line", [line for line in run_here(COMMANDS) if not in_this_process(line)])
def test_a_command_of_the_documents_runs(stage: Stage, line: str):
    done = stage.run(line)
    streams = "/events" in line
    assert done.returncode == (28 if streams else 0), done.stdout + done.stderr
    assert not streams or "event: current" in done.stdout


@pytest.mark.parametrize("line", [line for line in COMMANDS if re.search(r"smoke-bvm (serve|watch)", line)])
def test_one_that_would_not_end_is_understood(line: str):
    words = line.partition("#")[0].partition(">>")[0].split()
    assert command_line().parse_args(words[words.index("smoke-bvm") + 1 :]).command


def test_the_first_example_names_the_frame_of_the_newest_release():
    assert any(f"@models/released/{newest_release().name}/golden/frame.png" in line for line in documented())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with numpy 2
@pytest.mark.parametrize("code", blocks("python"))
def test_python_of_the_documents_runs(stage: Stage, code: str, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(stage.folder)
    with SmokeClient(stage.open.url, trust_env=False) as client:
        reply = client.segment("ridge.jpg", outputs=["total", "polygons", "rle"], encoding="npz").model_dump(
            mode="json"
        )
    before = "import base64, io, numpy, pycocotools.mask, shapely.geometry\n"
    kind = "eval" if "\n" not in code.strip() else "exec"
    names = {"reply": reply, "__name__": "example"}
    exec(before, names)  # noqa: S102 - it is our own
    compiled = compile(stage.here(code).strip(), "example", kind)
    found = eval(compiled, names)  # noqa: S307
    assert found is not None or "smoke" in capsys.readouterr().out or kind == "exec"
