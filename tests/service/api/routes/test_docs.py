import re

import pytest

STATUSES = {"200", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503", "504"}


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


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


def test_the_document_names_the_body_the_query_and_every_answer(document):
    operation = document["paths"]["/segment"]["post"]
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = operation["requestBody"]["content"]
    form = content.pop("multipart/form-data")["schema"]
    assert content == dict.fromkeys(("image/jpeg", "image/png", "image/webp"), binary)
    assert (form["properties"], form["required"]) == ({"frame": binary["schema"]}, ["frame"])
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    in_query = {"camera_id", "view", "captured_at", "outputs", "resolution", "encoding", "threshold", "tiles", "latest"}
    assert {name: parameter["in"] for name, parameter in parameters.items()} == {
        **dict.fromkeys(in_query, "query"),
        "x-deadline-ms": "header",
    }
    assert set(operation["responses"]) == STATUSES
    problem = operation["responses"]["429"]["content"]["application/problem+json"]["schema"]
    assert set(problem["properties"]) == {"type", "title", "status", "detail", "request_id"}


def test_the_document_says_what_each_encoding_of_a_map_holds(document):
    body = document["components"]["schemas"]["MapBody"]["properties"]
    assert body["encoding"]["enum"] == ["png", "npz"]
    assert body["dtype"]["enum"] == ["uint8", "float32", "bool"]
    parameters = document["paths"]["/segment"]["post"]["parameters"]
    chosen = next(parameter for parameter in parameters if parameter["name"] == "encoding")["schema"]
    assert (chosen["enum"], chosen["default"]) == (["png", "npz"], "png")


def test_the_document_says_when_there_is_no_doubt_about_smoke(document):
    field = document["components"]["schemas"]["UncertaintyBody"]["properties"]["smoke"]
    assert {"type": "null"} in field["anyOf"]
    assert "null when no pixel is smoke" in field["description"]


def test_the_pattern_of_the_outputs_accepts_what_the_service_accepts(document):
    parameters = document["paths"]["/segment"]["post"]["parameters"]
    pattern = next(parameter for parameter in parameters if parameter["name"] == "outputs")["schema"]["pattern"]
    for accepted in ("", "mask", "mask,total,aleatoric", "overlay,epistemic"):
        assert re.fullmatch(pattern, accepted)
    for refused in ("smoke", "mask,", ",mask", "mask;total"):
        assert not re.fullmatch(pattern, refused)


def test_the_model_in_service_is_described(client, model):
    described = client.get("/model").json()
    assert described["sha256"] == model.manifest.sha256
    assert (described["provider"], described["precision"], described["size_px"]) == ("cpu", "fp32", 32)
    assert (described["threshold"], described["minimum_region"]) == (0.5, 0.01)
    assert [output["name"] for output in described["outputs"]] == ["probability", "total", "aleatoric", "epistemic"]
