"""Certificates, keys and the second port of a real server."""

import signal
import ssl

import httpx2
import pytest
import trustme

from service.api.auth import digest
from tests.end_to_end.test_serve import connect, read_all, wait_until
from tests.pictures import file_of, plain

BODY = file_of(plain(204, 0, 0))


@pytest.fixture
def certificate(tmp_path):
    """Settings for HTTPS, and a context that trusts it."""
    return {
        "SMOKE_TLS_CERT_FILE": str(tmp_path / "cert.pem"),
        "SMOKE_TLS_KEY_FILE": str(tmp_path / "key.pem"),
    }, issue(tmp_path)


def issue(folder) -> ssl.SSLContext:
    """Write a certificate of a new authority, and its key; a context that trusts it and no other."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_server_with_a_certificate_speaks_https(start, certificate):
    variables, context = certificate
    server = start(**variables)
    assert server.url.startswith("https://127.0.0.1:")
    with httpx2.Client(base_url=server.url, verify=context, trust_env=False) as client:
        assert client.post("/segment?outputs=", content=BODY).status_code == 200
    assert server.stop() == 0


def ask(server, context: ssl.SSLContext, path: str = "/health/live", **options) -> httpx2.Response:
    """On a connection of its own."""
    with httpx2.Client(base_url=server.url, verify=context, trust_env=False, timeout=60) as client:
        return client.request("POST" if "admin" in path else "GET", path, **options)


@pytest.mark.parametrize("by_signal", [True, False], ids=["SIGHUP", "/admin/reload"])
def test_a_new_certificate_new_keys_and_new_rules_are_taken_without_a_restart(start, certificate, tmp_path, by_signal):
    variables, before = certificate
    keys, rules = tmp_path / "keys.toml", tmp_path / "cameras.toml"
    keys.write_text(f'[[key]]\nname = "a"\nsha256 = "{digest("first")}"\nscopes = ["infer", "admin"]\n')
    rules.write_text("")
    files = {"SMOKE_API_KEYS_FILE": str(keys), "SMOKE_CAMERAS_FILE": str(rules)}
    server = start(**variables, **files, SMOKE_ADMIN="true")
    assert server.url
    keys.write_text(keys.read_text().replace(digest("first"), digest("second")))
    after = issue(tmp_path)
    assert ask(server, before).status_code == 200
    if by_signal:
        server.process.send_signal(signal.SIGHUP)
    else:
        assert ask(server, before, "/admin/reload", headers={"X-API-Key": "first"}).status_code == 200
    wait_until(lambda: {"certificate read again", "keys read again", "cameras file read again"} <= said(server))
    assert ask(server, after).status_code == 200
    with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(server, before)
    assert ask(server, after, "/model", headers={"X-API-Key": "first"}).status_code == 401
    assert ask(server, after, "/model", headers={"X-API-Key": "second"}).status_code == 200


def test_a_certificate_that_does_not_fit_leaves_the_one_before_and_says_so(start, certificate, tmp_path):
    variables, before = certificate
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[key]]\nname = "a"\nsha256 = "{digest("secret")}"\nscopes = ["admin"]\n')
    server = start(**variables, SMOKE_API_KEYS_FILE=str(keys), SMOKE_ADMIN="true")
    assert server.url
    (tmp_path / "cert.pem").write_bytes(trustme.CA().issue_cert("127.0.0.1").cert_chain_pems[0].bytes())
    answer = ask(server, before, "/admin/reload", headers={"X-API-Key": "secret"})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "files_refused")
    assert "SMOKE_TLS_CERT_FILE: found" in answer.json()["detail"]
    assert ask(server, before).status_code == 200


def said(server) -> set[str]:
    return {line["message"] for line in server.log}


def test_a_handshake_that_does_not_come_is_given_up(start, certificate):
    variables, _ = certificate
    server = start(**variables, SMOKE_HEADER_TIMEOUT_S="0.5")
    with connect(server) as silent:
        silent.settimeout(50)  # asyncio's own limit is a minute
        assert silent.recv(1) == b""


def test_a_certificate_that_does_not_fit_stops_the_start_in_words(start, certificate):
    variables, _ = certificate
    server = start(**{**variables, "SMOKE_TLS_KEY_FILE": variables["SMOKE_TLS_CERT_FILE"]})
    assert server.wait() == 2
    assert server.lines[-1].startswith("smoke-bvm: SMOKE_TLS_CERT_FILE: found ")
    assert "Traceback" not in "".join(server.lines)


def test_metrics_and_administration_live_on_their_own_port(start, tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(
        f'[[key]]\nname = "operator"\nsha256 = "{digest("secret")}"\nscopes = ["infer", "metrics", "admin"]\n'
    )
    server = start(SMOKE_API_KEYS_FILE=str(path), SMOKE_ADMIN="true", SMOKE_ADMIN_PORT="0")
    assert server.url
    wait_until(lambda: any("admin_address" in line for line in server.log))
    private = next(line["admin_address"] for line in server.log if "admin_address" in line)
    with httpx2.Client(headers={"Authorization": "Bearer secret"}, trust_env=False, timeout=30) as client:
        assert client.get(f"{server.url}/metrics").status_code == 404
        assert client.get(f"{private}/metrics").status_code == 200
        assert client.post(f"{private}/admin/reload").json()["version"] == "0.0.1"
        assert client.post(f"{server.url}/segment?outputs=", content=BODY).status_code == 200
        assert client.post(f"{private}/segment?outputs=", content=BODY).status_code == 404
    assert "secret" not in "".join(server.lines)


def test_a_server_open_to_others_without_keys_says_so(start):
    server = start(SMOKE_HOST="0.0.0.0")
    assert server.url
    wait_until(lambda: any("no API keys" in line["message"] for line in server.log))


def test_a_thousand_idle_connections_keep_nobody_out(start):
    server = start(SMOKE_CONNECTIONS_MAX="1000", SMOKE_HEADER_TIMEOUT_S="30")
    assert server.url
    idle = [connect(server) for _ in range(1000)]
    try:
        with server.client() as client:
            assert client.post("/segment?outputs=", content=BODY).status_code == 200
            assert 'smoke_connections_closed_total{reason="no_room"} 1.0' in client.get("/metrics").text
    finally:
        for connection in idle:
            connection.close()


def test_a_header_that_does_not_come_is_given_up(start):
    server = start(SMOKE_HEADER_TIMEOUT_S="0.5")
    with connect(server) as slow, server.client() as client:
        slow.sendall(b"POST /segment HTTP/1.1\r\nHost: ")
        assert client.post("/segment?outputs=", content=BODY).status_code == 200
        assert read_all(slow).startswith(b"HTTP/1.1 408 Request Timeout")
        assert 'smoke_connections_closed_total{reason="header_timeout"}' in client.get("/metrics").text


def test_a_hangup_signal_reads_the_keys_again(start, tmp_path):
    path = tmp_path / "keys.toml"

    def allow(key: str) -> None:
        path.write_text(f'[[key]]\nname = "gateway"\nsha256 = "{digest(key)}"\nscopes = ["infer"]\n')

    allow("first")
    server = start(SMOKE_API_KEYS_FILE=str(path))
    with server.client() as client:
        assert client.get("/model", headers={"X-API-Key": "second"}).status_code == 401
        allow("second")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any(line["message"] == "keys read again" for line in server.log))
        assert client.get("/model", headers={"X-API-Key": "second"}).status_code == 200
        assert client.get("/model", headers={"X-API-Key": "first"}).status_code == 401
