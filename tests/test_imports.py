"""Who may import whom: the contracts of pyproject.toml hold, and they would notice a breach."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_import_contracts_hold():
    linted = run("from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


@pytest.mark.parametrize(
    "module",
    [
        "service.server.app",
        "service.server.serve",
        "service.cli.segment",
        "service.__main__",
        "models.manifest",
        "models.detection",
    ],
)
def test_the_service_runs_without_torch(module):
    heavy = {"torch", "torchvision", "timm", "training", "models.networks"}
    imported = run(f"import sys, {module}; print({heavy!r} & set(sys.modules))")
    assert imported.stdout.strip() == "set()", imported.stdout + imported.stderr


EVERY_HELP = """
import argparse, sys
from service.cli.parsing.commands import command_line
from training.__main__ import _parser

def call_each(parser):
    parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return 1 + sum(map(call_each, action.choices.values()))
    return 1

print(call_each(command_line()), call_each(_parser()))
print(HEAVY & set(sys.modules))
"""


def test_no_call_for_help_loads_what_takes_long_to_load():
    heavy = {"numpy", "cv2", "PIL", "onnxruntime", "fastapi", "pydantic", "uvicorn", "rich", "torch", "ray", "asyncio"}
    told = run(f"HEAVY = {heavy!r}\n{EVERY_HELP}")
    assert not told.returncode, told.stderr
    counts, loaded = told.stdout.splitlines()
    assert all(int(count) > 9 for count in counts.split())
    assert loaded == "set()"


@pytest.mark.parametrize("module", ["service", "training"])
def test_a_call_for_help_takes_little_more_time_than_an_interpreter(module):
    bare, helped = (
        min(cpu_s(*arguments) for _ in range(3)) for arguments in (("-c", "import argparse"), ("-m", module, "--help"))
    )
    assert helped < bare + 0.25


def cpu_s(*arguments: str) -> float:
    """Of a Python process with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_client_needs_nothing_of_what_serves():
    serving = (
        "fastapi starlette uvicorn onnxruntime prometheus_client pydantic_settings python_multipart PIL simplejpeg rich"
    )
    imported = run(
        f"import sys; sys.modules.update(dict.fromkeys({serving.split()})); import service.client; print('there')"
    )
    assert imported.stdout.strip() == "there", imported.stderr


def test_importing_the_application_reads_no_environment_and_starts_no_thread():
    imports = "import os, threading; os.environ['SMOKE_PORT'] = 'x'; import service.server.app, service.server.serve"
    imported = run(f"{imports}; print(threading.active_count())")
    assert imported.stdout.strip() == "1", imported.stderr


@pytest.mark.parametrize("module", ["service.runtime.session", "training.engine.onnx_model"])
def test_onnxruntime_reports_nothing_to_its_makers(module, tmp_path):
    quiet = {
        name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    command = [sys.executable, "-c", f"import {module}"]
    subprocess.run(command, env={**quiet, "HOME": str(tmp_path)}, cwd=ROOT, check=True)
    assert not list(tmp_path.rglob("deviceid"))


@pytest.mark.parametrize(
    ("module", "arguments", "command"),
    [
        ("service", ("segment", "frame.jpg", "--out", "out"), "smoke-bvm"),
        ("training", ("audit", "data"), "smoke-bvm-train audit"),
    ],
)
def test_ctrl_c_while_a_command_still_imports_ends_it_without_a_traceback(module, arguments, command, tmp_path):
    (tmp_path / "cv2.py").write_text("raise KeyboardInterrupt\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    started = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(started, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (130, f"{command}: stopped\n")
