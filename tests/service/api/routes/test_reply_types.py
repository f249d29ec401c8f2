"""The same answer as JSON and as files: over HTTP, each type of reply holds what JSON holds."""

import base64
import email.parser
import email.policy
import io
import json

import numpy as np
import pytest

from models.geometry import fit
from service.api.accept import MIXED, NPZ, PNG
from tests.conftest import SIDE, closed_form
from tests.pictures import array_of, file_of, plume

FRAME = plume(64, 48)
BODY = file_of(FRAME)
HEADERS = {"Content-Type": "image/png"}


def ask(client, accept, **query):
    return client.post("/segment", params=query, content=BODY, headers={**HEADERS, "Accept": accept})


def files_in(reply):
    """Parts of a multipart reply by name: its type, its file name and its bytes, as Python's own reader finds them."""
    head = b"Content-Type: " + reply.headers["content-type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + reply.content)
    assert not message.defects
    return {
        part.get_param("name", header="content-disposition"): (
            part.get_content_type(),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    }


def test_one_map_comes_as_the_png_file_that_json_holds(client):
    reply, told = ask(client, PNG, outputs="total"), ask(client, "", outputs="total").json()
    assert (reply.status_code, reply.headers["content-type"]) == (200, PNG)
    assert reply.content == base64.b64decode(told["maps"]["total"]["data"])
    assert array_of(reply.content).shape == (SIDE, SIDE)


def test_a_reply_without_json_says_in_its_headers_what_was_found(client):
    reply = ask(client, PNG, outputs="mask", camera_id="ridge")
    told = ask(client, "", outputs="mask", camera_id="ridge").json()
    assert reply.headers["x-smoke-assessment"] == told["assessment"] == "smoke"
    assert reply.headers["x-smoke-alarm"] == "suspected"
    assert "x-smoke-alarm" not in ask(client, PNG, outputs="mask").headers


@pytest.mark.parametrize("outputs", ["total", "mask,probability,epistemic"])
def test_all_maps_come_in_one_npz_file_as_the_models_own_floats(client, outputs):
    reply = ask(client, NPZ, outputs=outputs)
    assert (reply.status_code, reply.headers["content-type"]) == (200, NPZ)
    expected = closed_form(fit(FRAME, SIDE))
    with np.load(io.BytesIO(reply.content), allow_pickle=False) as arrays:
        assert arrays.files == outputs.split(",")
        for name in arrays.files:
            wanted = expected["probability"] >= 0.5 if name == "mask" else expected[name]
            np.testing.assert_allclose(arrays[name], wanted, atol=1e-6)


@pytest.mark.parametrize("encoding", ["png", "npz"])
def test_a_mixed_reply_holds_the_findings_and_each_file_in_a_part_of_its_name(client, encoding):
    query = {"outputs": "mask,total,overlay", "encoding": encoding}
    reply, told = ask(client, MIXED, **query), ask(client, "", **query).json()
    assert reply.headers["content-type"].startswith(MIXED)
    files = files_in(reply)
    assert list(files) == ["result", "mask", "total", "overlay"]
    content_type, _, findings = files.pop("result")
    assert content_type == "application/json"
    result = json.loads(findings)
    for name, (_, file_name, data) in files.items():
        described = told["overlay"] if name == "overlay" else told["maps"][name]
        assert file_name == f"{name}.{described['encoding']}"
        assert data == base64.b64decode(described.pop("data"))
    assert files["total"][0] == {"png": PNG, "npz": NPZ}[encoding]
    assert (result["maps"], result["overlay"]) == (told["maps"], told["overlay"])
    assert (result["regions"], result["assessment"]) == (told["regions"], told["assessment"])


def test_what_no_type_can_hold_is_refused_in_words_before_any_work(client):
    reply = ask(client, PNG, outputs="mask,total")
    assert reply.status_code == 406
    assert reply.json()["type"] == "urn:smoke-bvm:problem:not_acceptable"
    assert "found Accept 'image/png' and outputs 'mask,total', expected application/json" in reply.json()["detail"]


def test_the_document_names_every_type_of_reply(client):
    answers = client.get("/openapi.json").json()["paths"]["/segment"]["post"]["responses"]
    assert {"application/json", MIXED, NPZ, PNG} == set(answers["200"]["content"])
    assert "not_acceptable" in answers["406"]["description"]
