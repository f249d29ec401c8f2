import re

import pytest

STATUSES = {"200", "400", "401", "403", "406", "408", "409", "413", "415", "422", "429", "500", "503", "504"}


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_the_document_names_the_body_the_query_and_every_answer(document):
    operation = document["paths"]["/segment"]["post"]
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = operation["requestBody"]["content"]
    form = content.pop("multipart/form-data")["schema"]
    assert content == dict.fromkeys(("image/jpeg", "image/png", "image/webp"), binary)
    assert (form["properties"], form["required"]) == ({"frame": binary["schema"]}, ["frame"])
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    in_query = {
        "camera_id",
        "view",
        "captured_at",
        "outputs",
        "resolution",
        "encoding",
        "overlay_encoding",
        "threshold",
        "tiles",
        "latest",
    }
    assert {name: parameter["in"] for name, parameter in parameters.items()} == {
        **dict.fromkeys(in_query, "query"),
        "x-deadline-ms": "header",
    }
    assert set(operation["responses"]) == STATUSES
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["properties"]) == {"type", "title", "status", "detail", "request_id"}


def test_every_error_of_every_route_is_the_one_problem(open_client, keys_file):
    document = open_client(api_keys_file=keys_file, admin=True).get("/openapi.json").json()
    operations = {(path, method): spec for path, ways in document["paths"].items() for method, spec in ways.items()}
    assert len(operations) == 19
    for (path, _), operation in operations.items():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if path.startswith("/health/"):
            assert set(errors) == {"503"}
        else:
            assert all(answer["content"] == content for answer in errors.values())
            assert {"401", "403", "429", "500"} <= set(errors)


def test_a_parameter_is_there_or_not_but_never_null(document):
    parameters = {spec["name"]: spec["schema"] for spec in document["paths"]["/segment"]["post"]["parameters"]}
    assert not [name for name, schema in parameters.items() if "anyOf" in schema]
    assert parameters["x-deadline-ms"] | {"title": "", "description": ""} == {
        "type": "integer",
        "minimum": 1,
        "maximum": 600_000,
        "title": "",
        "description": "",
    }
    assert (parameters["captured_at"]["type"], parameters["captured_at"]["format"]) == ("string", "date-time")


def test_with_a_port_of_their_own_metrics_and_administration_are_not_in_the_document(open_client, keys_file):
    client = open_client(api_keys_file=keys_file, admin=True, admin_port=9000)
    paths = client.get("http://testserver:8000/openapi.json").json()["paths"]
    answers = {path: client.get(f"http://testserver:8000{path}").status_code for path in paths}
    assert not [path for path in paths if path.startswith(("/metrics", "/admin"))]
    assert answers["/health/live"] == 200
    assert client.get("http://testserver:9000/metrics", headers={"X-API-Key": "metrics"}).status_code == 200


def test_the_document_shows_what_the_service_sends_of_its_own_accord(document):
    webhooks, schemas = document["webhooks"], document["components"]["schemas"]
    assert set(webhooks) == {"alarm", "camera-state", "camera-event"}
    headers = {parameter["name"] for parameter in webhooks["alarm"]["post"]["parameters"]}
    assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    boxes = schemas["WebhookBody"]["properties"]["boxes"]["items"]["$ref"].rpartition("/")[2]
    assert {"x", "y", "width", "height"} == set(schemas[boxes]["required"])
    assert "HTTPValidationError" not in schemas


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
    pattern = next(parameter for parameter in parameters if parameter["name"] == "outputs")["schema"]["items"][
        "pattern"
    ]
    for accepted in ("", "mask", "mask,total,aleatoric", "overlay,epistemic"):
        assert re.fullmatch(pattern, accepted)
    for refused in ("smoke", "mask,", ",mask", "mask;total"):
        assert not re.fullmatch(pattern, refused)


def test_the_model_in_service_is_described(client, model):
    described = client.get("/model").json()
    assert described["sha256"] == model.manifest.sha256
    assert (described["provider"], described["precision"], described["size_px"]) == ("cpu", "fp32", 32)
    assert (described["threshold"], described["minimum_region"], described["novelty_limit"]) == (0.5, 0.01, None)
    assert [output["name"] for output in described["outputs"]] == ["probability", "total", "aleatoric", "epistemic"]
