"""What a replica is told and tells without a cluster around it."""

from types import SimpleNamespace

import pytest
from starlette.routing import Route

pytest.importorskip("ray.serve", reason="Ray Serve is not installed: pip install 'smoke-bvm[ray]'")

from service.cluster import replica
from service.settings import Settings
from tests.service.api.conftest import keys_file, status

__all__ = ["keys_file"]
TOLD = [{"targets": ["10.0.0.7:40001"], "labels": {"replica": "abc"}}]


def test_where_the_replicas_are_is_told_to_who_may_read_metrics(open_client, keys_file, monkeypatch):
    monkeypatch.setattr(replica, "_targets", lambda: TOLD)
    client = open_client(api_keys_file=keys_file, admin_port=9000)
    client.app.router.routes.append(Route("/replicas", replica._replicas))
    assert [status(client, "GET", "/replicas", key) for key in (None, "infer", "metrics")] == [401, 403, 200]
    assert client.get("/replicas", headers={"X-API-Key": "metrics"}).json() == TOLD


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "127.0.0.1:40001"), ("0.0.0.0", "10.0.0.7:40001"), ("::", "10.0.0.7:40001"), ("::1", "[::1]:40001")],
)
def test_a_replica_writes_down_an_address_that_others_can_reach(monkeypatch, host, told):
    written = {}
    monkeypatch.setattr(replica.ray.util, "get_node_ip_address", lambda: "10.0.0.7")
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="abc"))
    monkeypatch.setattr(replica.serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(replica, "_internal_kv_put", lambda name, text, **_: written.update({name: text}))
    replica._announce(Settings.load(admin_host=host, admin_port=40001))
    assert written == {"abc": f'{{"targets": ["{told}"], "labels": {{"replica": "abc"}}}}'}


@pytest.mark.parametrize(("claimed", "threads"), [({"CPU": 3.0}, 3), ({"CPU": 0.5}, 1), ({}, 1)])
def test_a_replica_has_no_more_threads_than_cores_it_claims_unless_it_is_told_otherwise(monkeypatch, claimed, threads):
    context = SimpleNamespace(get_assigned_resources=lambda: claimed)
    monkeypatch.setattr(replica.ray, "get_runtime_context", lambda: context)
    chosen = replica._on_claimed_cores(Settings.load(workers=5))
    assert (chosen.threads, chosen.workers) == (threads, 5)
