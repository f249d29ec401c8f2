"""Who may import whom: the contracts of pyproject.toml hold, and they would notice a breach."""

import os
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


def test_the_command_line_answers_a_call_for_help_without_loading_the_model_runtime():
    imported = run(
        "import atexit, sys, service.__main__ as command\n"
        "atexit.register(lambda: print({'onnxruntime', 'fastapi', 'rich'} & set(sys.modules)))\n"
        "command.main(['--help'])"
    )
    assert imported.stdout.strip().endswith("set()"), imported.stdout + imported.stderr


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


@pytest.mark.parametrize(("module", "command"), [("service", "smoke-bvm"), ("training", "smoke-bvm-train")])
def test_ctrl_c_while_a_command_still_imports_ends_it_without_a_traceback(module, command, tmp_path):
    (tmp_path / "cv2.py").write_text("raise KeyboardInterrupt\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    started = [sys.executable, "-m", module, "--help"]
    ended = subprocess.run(started, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (130, f"{command}: stopped\n")
