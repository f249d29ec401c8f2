"""The model is changed over HTTP."""

import dataclasses

from starlette.testclient import TestClient

from tests.service.api.conftest import status
from tests.service.conftest import ObedientModel


def test_without_being_switched_on_there_is_no_administration(open_client, keys_file):
    client = open_client(api_keys_file=keys_file)
    assert status(client, "POST", "/admin/reload", "admin") == 404
    assert "/admin/reload" not in client.get("/openapi.json").json()["paths"]


def change(client: TestClient, what: str):
    return client.post(f"/admin/{what}", headers={"Authorization": "Bearer admin"})


def test_a_reload_and_a_rollback_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    refused = change(client, "rollback")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:smoke-bvm:problem:nothing_to_roll_back")
    newer = ObedientModel(obedient.manifest)
    newer.identity = dataclasses.replace(newer.identity, version="0.0.2")
    reloader = client.app.state.app_state.reloader
    monkeypatch.setattr(reloader, "_load", lambda: dataclasses.replace(reloader._slot._current, model=newer))
    assert change(client, "reload").json()["version"] == "0.0.2"
    assert change(client, "rollback").json()["version"] == "0.0.1"
    text = client.get("/metrics", headers={"X-API-Key": "metrics"}).text
    assert 'smoke_reloads_total{result="swapped"} 1.0' in text
    assert 'smoke_reloads_total{result="rolled_back"} 1.0' in text


def test_a_broken_release_is_refused_over_http(open_client, keys_file, obedient, monkeypatch):
    client = open_client(obedient, api_keys_file=keys_file, admin=True)
    monkeypatch.setattr(client.app.state.app_state.reloader, "_load", obedient.refuse_to_load)
    refused = change(client, "reload")
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:smoke-bvm:problem:release_refused")
    assert refused.json()["detail"] == "found the release broken, expected it whole"
