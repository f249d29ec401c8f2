"""A client that openapi-python-client makes of the document: it calls the service, and every error that comes back is a Problem."""

import importlib
import io
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from tests.service.api.conftest import BODY, KEYS

FRAME = "segment_segment_post"


class Through(httpx.BaseTransport):
    """Hands the requests of a generated client to the application in this process."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.client.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@pytest.fixture
def application(open_client, obedient, keys_file) -> TestClient:
    return open_client(obedient, api_keys_file=keys_file, admin=True)


@pytest.fixture(scope="module")
def document(release, tmp_path_factory) -> dict[str, Any]:
    from service.server.app import create_app
    from service.server.components import load
    from service.settings import Settings

    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(KEYS)
    settings = Settings.load(model_dir=release, provider="cpu", api_keys_file=keys, admin=True)
    return create_app(settings, lambda: load(settings)).openapi()


@pytest.fixture(scope="module")
def generated(document, tmp_path_factory) -> ModuleType:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "settings.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    files = ["--path", "openapi.json", "--config", "settings.yml", "--output-path", "smoke_generated"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True, timeout=120)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("smoke_generated")
    finally:
        sys.path.remove(str(folder))


def operations(generated: ModuleType) -> dict[str, ModuleType]:
    """The generated functions' modules by name."""
    root = Path(generated.__file__).parent / "api"
    found = pkgutil.walk_packages([str(root)], f"{generated.__name__}.api.")
    return {
        module.name.rpartition(".")[2]: importlib.import_module(module.name) for module in found if not module.ispkg
    }


@pytest.fixture
def call(application, generated) -> Callable[..., Any]:
    """Call an operation with a key; gives the answer, parsed."""
    ways = operations(generated)

    def run(name: str, key: str, **arguments: Any) -> Any:
        client = generated.AuthenticatedClient("http://testserver:8000", token=key)
        client.set_httpx_client(
            httpx.Client(
                base_url="http://testserver:8000",
                transport=Through(application),
                headers={"Authorization": f"Bearer {key}"},
            )
        )
        return ways[name].sync_detailed(client=client, **arguments).parsed

    return run


def form(generated: ModuleType, content: bytes = BODY, mime_type: str = "image/png") -> Any:
    models = importlib.import_module(f"{generated.__name__}.models")
    file = importlib.import_module(f"{generated.__name__}.types").File(io.BytesIO(content), "frame.png", mime_type)
    return models.SegmentSegmentPostFilesBody(frame=file)


def test_a_frame_is_answered_with_a_deadline_and_its_outputs(call, generated):
    answer = call(
        FRAME,
        "infer",
        body=form(generated),
        x_deadline_ms=20_000,
        outputs=["mask", "total"],
        camera_id="ridge",
        captured_at=datetime(2026, 5, 1, 12, 0, tzinfo=UTC),
        threshold=0.5,
    )
    assert type(answer).__name__ == "SegmentResponse"
    assert answer.smoke.detected
    assert set(answer.maps.additional_properties) == {"mask", "total"}
    assert call("camera_cameras_camera_id_get", "infer", camera_id="ridge").frames == 1


def test_each_error_that_is_announced_parses_to_the_one_problem(generated, document):
    ways = operations(generated)
    client = generated.Client("http://testserver:8000", raise_on_unexpected_status=True)
    problem = {"type": "urn:smoke-bvm:problem:x", "title": "x", "detail": "x", "request_id": "x"}
    tried = 0
    for path, methods in document["paths"].items():
        if path.startswith("/health/"):
            continue
        for operation in methods.values():
            for status in (int(status) for status in operation["responses"] if status >= "400"):
                answer = httpx.Response(status, json={**problem, "status": status})
                parsed = ways[re.sub("_+", "_", operation["operationId"])]._parse_response(
                    client=client, response=answer
                )
                assert (type(parsed).__name__, parsed.status) == ("Problem", status)
                tried += 1
    assert tried > 50


def test_errors_come_back_as_problems_that_say_why(call, generated, obedient, application):
    def reason(name: str, key: str, **arguments: Any) -> tuple[int, str]:
        problem = call(name, key, **arguments)
        assert type(problem).__name__ == "Problem", problem
        return problem.status, problem.type_.rpartition(":")[2]

    assert reason(FRAME, "wrong", body=form(generated)) == (401, "key_missing")
    assert reason(FRAME, "metrics", body=form(generated)) == (403, "key_insufficient")
    assert reason(FRAME, "infer", body=form(generated, b"")) == (400, "body_empty")
    assert reason(FRAME, "infer", body=form(generated, bytes(21 * 2**20))) == (413, "body_too_large")
    assert reason(FRAME, "infer", body=form(generated, b"text")) == (415, "format_unsupported")
    assert reason(FRAME, "infer", body=form(generated, mime_type="text/html")) == (415, "media_type_unsupported")
    assert reason(FRAME, "infer", body=form(generated, BODY[:99])) == (422, "frame_broken")
    assert reason(FRAME, "infer", body=form(generated), threshold=2.0) == (422, "parameter_invalid")
    assert reason(FRAME, "infer", body=form(generated), camera_id="..") == (422, "parameter_invalid")
    assert reason("camera_cameras_camera_id_get", "infer", camera_id="nobody") == (404, "camera_unknown")
    assert reason("rollback_admin_rollback_post", "admin") == (409, "nothing_to_roll_back")
    call(FRAME, "slow", body=form(generated))
    assert reason(FRAME, "slow", body=form(generated)) == (429, "rate_exceeded")
    obedient.fail_once(RuntimeError())
    assert reason(FRAME, "infer", body=form(generated)) == (500, "inference_failed")
    obedient.free.clear()
    assert reason(FRAME, "infer", body=form(generated), x_deadline_ms=50) == (504, "deadline_exceeded")
    obedient.free.set()
    application.app.state.app_state.admission.drain()
    assert reason(FRAME, "infer", body=form(generated)) == (503, "draining")
