"""Who may come in, through the whole application."""

import dataclasses

import pytest
from starlette.testclient import TestClient

from service.api.auth import Scope, digest
from tests.pictures import file_of, plume
from tests.service.conftest import ObedientModel

BODY = file_of(plume())
KEYS = "".join(
    f'[[key]]\nname = "{scope}-key"\nsha256 = "{digest(scope)}"\nscopes = ["{scope}"]\n' for scope in Scope
) + (f'[[key]]\nname = "slow"\nsha256 = "{digest("slow")}"\nscopes = ["infer"]\nrequests_per_s = 0.001\n')


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    return path


@pytest.fixture
def guarded(open_client, keys_file):
    return open_client(api_keys_file=keys_file, admin=True)


def status(client, method: str, path: str, key: str | None, port: int = 8000) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.request(method, f"http://testserver:{port}{path}", headers=headers, content=BODY).status_code


ROUTES = {
    ("POST", "/segment"): Scope.INFER,
    ("GET", "/model"): Scope.INFER,
    ("GET", "/metrics"): Scope.METRICS,
    ("POST", "/admin/reload"): Scope.ADMIN,
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_asks_for_a_key_of_its_scope(guarded, method, path):
    assert status(guarded, method, path, None) == 401
    assert status(guarded, method, path, "wrong") == 401
    for scope in Scope:
        expected = 200 if scope is ROUTES[method, path] else 403
        assert status(guarded, method, path, scope) == expected, scope


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health/startup", "/openapi.json", "/docs"])
def test_probes_and_the_document_are_open(guarded, path):
    assert status(guarded, "GET", path, None) == 200


def test_a_refusal_says_what_to_offer(guarded):
    refused = guarded.post("/segment", content=BODY)
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["type"] == "urn:smoke-bvm:problem:key_missing"
    assert "X-API-Key" in refused.json()["detail"]


def test_a_key_may_come_in_a_header_of_its_own(guarded):
    assert guarded.post("/segment", content=BODY, headers={"X-API-Key": "infer"}).status_code == 200


def test_a_key_used_too_often_is_refused_alone(guarded):
    assert [status(guarded, "POST", "/segment", "slow") for _ in range(2)] == [200, 429]
    assert status(guarded, "POST", "/segment", "infer") == 200


def test_a_bad_key_is_refused_before_the_query_is_looked_at(guarded):
    assert guarded.post("/segment?outputs=nonsense", content=BODY).status_code == 401


def test_the_log_names_the_key_and_never_shows_it(guarded, caplog):
    caplog.set_level("INFO", "service.requests")
    guarded.post("/segment", content=BODY, headers={"Authorization": "Bearer infer"})
    guarded.post("/segment", content=BODY, headers={"Authorization": "Bearer tell-tale"})
    records = [vars(record) for record in caplog.records if record.message == "request"]
    assert records[0]["key"] == "infer-key"
    assert "key" not in records[1]
    assert "tell-tale" not in str(records)


def test_the_document_says_which_routes_ask_for_a_key(guarded, client):
    document = guarded.get("/openapi.json").json()
    assert document["paths"]["/segment"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]
    assert "security" not in client.get("/openapi.json").json()["paths"]["/segment"]["post"]


def test_without_being_switched_on_there_is_no_administration(open_client, keys_file):
    client = open_client(api_keys_file=keys_file)
    assert status(client, "POST", "/admin/reload", "admin") == 404
    assert "/admin/reload" not in client.get("/openapi.json").json()["paths"]


def test_a_port_of_their_own_hides_metrics_and_administration_from_the_other(open_client, keys_file):
    client = open_client(api_keys_file=keys_file, admin=True, admin_port=9000)
    assert status(client, "GET", "/metrics", "metrics", 8000) == 404
    assert status(client, "POST", "/admin/reload", "admin", 8000) == 404
    assert status(client, "GET", "/metrics", "metrics", 9000) == 200
    assert status(client, "POST", "/admin/reload", "admin", 9000) == 200
    assert status(client, "POST", "/segment", "infer", 9000) == 404
    assert status(client, "POST", "/segment", "infer", 8000) == 200
    assert [status(client, "GET", "/health/live", None, port) for port in (8000, 9000)] == [200, 200]


def change(client: TestClient, what: str):
    return client.post(f"/admin/{what}", headers={"Authorization": "Bearer admin"})


def test_a_reload_and_a_rollback_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    refused = change(client, "rollback")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:smoke-bvm:problem:nothing_to_roll_back")
    newer = ObedientModel(obedient.manifest)
    newer.identity = dataclasses.replace(newer.identity, version="0.0.2")
    reloader = client.app.state.reloader
    monkeypatch.setattr(reloader, "_load", lambda: dataclasses.replace(reloader._slot._current, model=newer))
    assert change(client, "reload").json()["version"] == "0.0.2"
    assert change(client, "rollback").json()["version"] == "0.0.1"
    text = client.get("/metrics", headers={"X-API-Key": "metrics"}).text
    assert 'smoke_reloads_total{result="swapped"} 1.0' in text
    assert 'smoke_reloads_total{result="rolled_back"} 1.0' in text


def test_a_broken_release_is_refused_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    monkeypatch.setattr(client.app.state.reloader, "_load", obedient.refuse_to_load)
    refused = change(client, "reload")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:smoke-bvm:problem:release_refused")
    assert refused.json()["detail"] == "found the release broken, expected it whole"
