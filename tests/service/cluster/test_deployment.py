"""The service on a local Ray cluster of two cores: the same answers, a replica killed under load, an alarm that outlives it."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'smoke-bvm[ray]'")
pytest.importorskip("ray.serve", reason="Ray Serve is not installed: pip install 'smoke-bvm[ray]'")
pytest.importorskip("redis", reason="redis-py is not installed: pip install 'smoke-bvm[ray]'")

import ray
from ray import serve
from ray.util import list_named_actors

from service.cluster.deployment import ClusterOptions, build
from service.errors import SettingsInvalid
from tests.conftest import build_release
from tests.pictures import file_of, plume
from tests.redis_server import redis_server

BODY = file_of(plume())
OPTIONS = ClusterOptions(min_replicas=2, max_replicas=2, num_cpus=0.5)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning")]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(release, tmp_path_factory) -> Iterator[str]:
    """Two replicas with the closed-form release; gives the URL of Ray's proxy."""
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    with redis_server(folder) as redis, pytest.MonkeyPatch.context() as environment:
        chosen = {"SMOKE_MODEL_DIR": str(release), "SMOKE_REDIS_URL": redis.url, "SMOKE_WAIT_MAX_MS": "600000"}
        proxy = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "service.cluster.proxy:middleware"}
        for name, value in {**chosen, **proxy, "PYTHONPATH": str(Path.cwd())}.items():
            environment.setenv(name, value)
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            serve.run(build(OPTIONS))
            yield f"http://127.0.0.1:{port}"
        finally:
            serve.shutdown()
            ray.shutdown()


def post(url: str, camera_id: str, minute: int) -> httpx2.Response:
    query = f"outputs=mask&camera_id={camera_id}&captured_at=2026-05-01T12:{minute:02}:00Z"
    return httpx2.post(f"{url}/segment?{query}", content=BODY, trust_env=False, timeout=60)


def test_several_replicas_that_share_nothing_are_refused():
    with pytest.raises(SettingsInvalid, match="found 2 and no SMOKE_REDIS_URL"):
        build(ClusterOptions(max_replicas=2))


def test_the_answers_are_those_of_one_process(cluster, client):
    for minute in range(4):
        on_ray, alone = (
            post(cluster, "ridge", minute),
            client.post(
                f"/segment?outputs=mask&camera_id=ridge&captured_at=2026-05-01T12:{minute:02}:00Z", content=BODY
            ),
        )
        assert (on_ray.status_code, alone.status_code) == (200, 200)
        left, right = on_ray.json(), alone.json()
        for told in (left, right):
            del told["request_id"], told["latency_ms"], told["alarm"]["id"]
        assert left == right
    assert left["alarm"]["state"] == "alarm"
    assert httpx2.post(f"{cluster}/segment", content=b"no picture", trust_env=False).status_code == 415


def test_a_second_run_changes_the_release_of_every_replica(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("SMOKE_REDIS_URL", "redis://as-the-replicas-have-it")
    other = build_release(tmp_path / "other", version="9.9.9")
    serve.run(build(OPTIONS.model_copy(update={"model_dir": other})))
    versions = {post(cluster, "changed", minute).json()["model"]["version"] for minute in range(8)}
    assert versions == {"9.9.9"}


def test_a_replica_that_is_killed_under_load_loses_no_frame_but_those_in_its_hands_and_no_alarm(cluster):
    alarm_id = [post(cluster, "killed", minute).json()["alarm"]["id"] for minute in range(3)][-1]
    replica, answered, stop = ray.get_actor(_replicas()[0], "serve"), [], threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            answered.append(post(cluster, f"load-{number}", 0).status_code)
            if len(answered) == 20:
                ray.kill(replica)
            if len(answered) >= 60:
                stop.set()

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(ask, range(4)))
    assert set(answered) <= {200, 503}
    assert answered.count(503) <= 4
    assert post(cluster, "killed", 3).json()["alarm"]["id"] == alarm_id


def _replicas() -> list[str]:
    """The names of those that live."""
    return sorted(actor["name"] for actor in list_named_actors(all_namespaces=True) if "#smoke#" in actor["name"])
