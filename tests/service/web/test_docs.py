import re

import pytest


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assert page.status_code == 200
    references = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert references == ["data:,", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"]
    assert "http" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("file", "kind", "content"),
    [
        ("swagger-ui.css", "text/css", ".swagger-ui"),
        ("swagger-ui-bundle.js", "text/javascript", "SwaggerUIBundle"),
        ("start.js", "text/javascript", "openapi.json"),
    ],
)
def test_what_the_page_loads_is_served_here(client, file, kind, content):
    answer = client.get(f"/docs/{file}")
    assert answer.headers["Content-Type"].startswith(kind)
    assert content in answer.text


@pytest.mark.parametrize("path", ["/docs/../app.py", "/docs/favicon.png", "/docs/%2e%2e/%2e%2e/etc/passwd", "/redoc"])
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404
