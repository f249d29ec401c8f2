"""Two ports, each with its own routes."""

from tests.service.api.conftest import status


def test_a_port_of_their_own_hides_metrics_and_administration_from_the_other(open_client, keys_file):
    client = open_client(api_keys_file=keys_file, admin=True, admin_port=9000)
    assert status(client, "GET", "/metrics", "metrics", 8000) == 404
    assert status(client, "POST", "/admin/reload", "admin", 8000) == 404
    assert status(client, "GET", "/metrics", "metrics", 9000) == 200
    assert status(client, "POST", "/admin/reload", "admin", 9000) == 200
    assert status(client, "POST", "/segment", "infer", 9000) == 404
    assert status(client, "POST", "/segment", "infer", 8000) == 200
    assert [status(client, "GET", "/health/live", None, port) for port in (8000, 9000)] == [200, 200]


def test_a_port_without_the_route_names_the_other(open_client, keys_file):
    client = open_client(api_keys_file=keys_file, admin_port=9000)
    client.base_url = "http://testserver:8000"
    assert client.get("/metrics").json()["detail"] == (
        "found no /metrics on this port, expected /metrics and /admin on the admin port alone"
    )
