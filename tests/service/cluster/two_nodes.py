"""A Ray cluster of two nodes on this machine, a replica's room on each, with the service on it and a Redis beside it."""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import ray
from ray import serve
from ray.cluster_utils import Cluster
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema
from ray.util import list_named_actors

from tests.end_to_end.monitoring import wait_for
from tests.ports import free_port
from tests.redis_server import redis_server

_MEMORY = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
Started = TypeVar("Started")
_NAME = rb"(camera_id=|/cameras/)(?=[a-z]+(?:[&/?]|$))"


@dataclass
class TwoNodes:
    """The cluster; Ray's proxy runs on its first node."""

    url: str
    cluster: Cluster
    second: Any
    deployed: dict[str, Any] = field(default_factory=dict)

    def deploy(self, replicas: int = 1, **options: Any) -> None:
        """Serve with so many replicas and these options, as `serve deploy` does: what can be changed in place is."""
        number = {"min_replicas": replicas, "max_replicas": replicas}
        smoke = {"name": "smoke", "autoscaling_config": {**number, "target_ongoing_requests": 4}, **options}
        if smoke != self.deployed:
            application = {"import_path": "service.cluster.deployment:build", "args": {"max_replicas": 2}}
            described = {"applications": [{"name": "default", **application, "deployments": [smoke]}]}
            _get_global_client().deploy_apps(ServeDeploySchema.model_validate(described), _blocking=True)
        self.deployed = smoke
        wait_for(lambda: self._running == replicas == len(self.replicas()))

    @property
    def _running(self) -> int:
        """How many replicas Ray would send a frame to."""
        states = serve.status().applications["default"].deployments["smoke"].replica_states
        return states.get("RUNNING", 0)

    def client(self, camera_prefix: str = "") -> httpx2.Client:
        """Asks Ray's proxy."""
        transport = _OwnCameras(camera_prefix) if camera_prefix else httpx2.HTTPTransport(verify=False)
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, transport=transport)

    def replicas(self) -> dict[str, str]:
        """The address of each replica's own port, by the replica's id."""
        with self.client() as client:
            told = client.get("/replicas")
        if told.status_code != 200:
            return {}
        return {group["labels"]["replica"]: group["targets"][0] for group in told.json()}

    def kill(self, replica: str) -> None:
        """As a crash does: the process is gone at once."""
        (name,) = (actor["name"] for actor in list_named_actors(all_namespaces=True) if actor["name"].endswith(replica))
        ray.kill(ray.get_actor(name, "serve"))


class _OwnCameras(httpx2.HTTPTransport):
    """Cameras of a test's own: their names go out with a prefix and come back without, for replicas forget no camera between tests."""

    def __init__(self, prefix: str) -> None:
        super().__init__(verify=False)  # nothing here is encrypted, and reading certificates takes longer than a frame
        self._prefix = prefix.encode()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        raw = re.sub(_NAME, rb"\1" + self._prefix, request.url.raw_path)
        request.url = request.url.copy_with(raw_path=raw)
        response = super().handle_request(request)
        body = response.read().replace(self._prefix, b"")
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        return httpx2.Response(response.status_code, headers=headers, content=body)


@contextmanager
def two_nodes(release: Path, folder: Path, **settings: str) -> Iterator[TwoNodes]:
    """The cluster, with no application on it yet."""
    port = free_port()
    with redis_server(folder) as redis, pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "PYTHONPATH": str(Path.cwd()),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "service.cluster.proxy:middleware",
            "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",
            "SMOKE_MODEL_DIR": str(release),
            "SMOKE_REDIS_URL": redis.url,
            "SMOKE_WAIT_MAX_MS": "600000",
            "SMOKE_DECODE_MAX_S": "0",
            **settings,
        }.items():
            environment.setenv(name, value)
        cluster = _patiently(
            lambda: Cluster(initialize_head=True, head_node_args={**_MEMORY, "include_dashboard": False})
        )
        try:
            second = _patiently(lambda: cluster.add_node(**_MEMORY))
            ray.init(cluster.address, log_to_driver=False, configure_logging=False)
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            yield TwoNodes(f"http://127.0.0.1:{port}", cluster, second)
        finally:
            # Not serve.shutdown(), which waits for replicas to be done: they end with their nodes.
            ray.shutdown()
            cluster.shutdown()


def _patiently(start: Callable[[], Started]) -> Started:
    """Ray gives a node half a minute to start, whatever else the machine does: it gets a second one."""
    with contextlib.suppress(Exception):
        return start()
    return start()
