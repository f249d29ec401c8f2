"""What a request to `POST /segment` may say, and how it is refused."""

import pytest

from tests.pictures import file_of, noisy, plain, plume


def post(client, frame, query="", **headers):
    return client.post(f"/segment?{query}", content=file_of(frame), headers={"Content-Type": "image/png", **headers})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("outputs=smoke", "outputs: found outputs ['smoke'], expected some of mask, probability"),
        ("outputs=mask,", "outputs: found outputs ['']"),
        ("output=mask", "output: found an unknown parameter"),
        ("resolution=full", "resolution: found 'full'"),
        ("encoding=tiff", "encoding: found 'tiff', expected 'png' or 'npz'"),
        (
            "encoding=npz&resolution=frame",
            "request: found encoding npz with resolution frame, expected resolution model",
        ),
        ("threshold=0", "threshold: found '0'"),
        ("threshold=1", "threshold: found '1'"),
        ("threshold=nan", "threshold: found 'nan'"),
        ("threshold=high", "threshold: found 'high'"),
        ("camera_id=", "camera_id: found ''"),
        ("camera_id=a%20b", "camera_id: found 'a b'"),
        ("camera_id=" + 65 * "a", "camera_id"),
        ("camera_id=a%0A", "camera_id"),
        ("camera_id=%00", "camera_id"),
        ("camera_id=.", "camera_id: found '.'"),
        ("camera_id=..", "camera_id: found '..'"),
        ("camera_id=..." + 62 * "a", "camera_id"),
        ("camera_id=a&camera_id=b&threshold=0.5&threshold=0.6", "found several values of camera_id, threshold"),
        ("captured_at=yesterday", "captured_at: found 'yesterday', expected RFC 3339"),
        ("captured_at=1767225600", "captured_at"),
        ("captured_at=2026-05-01", "captured_at"),
        ("captured_at=2026-05-01T12:00:00", "captured_at"),
        ("captured_at=2026-02-30T12:00:00Z", "captured_at"),
        ("captured_at=2026-05-01T12:00:00+02:00", "%2B02:00"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused_in_words(client, query, words):
    answer = post(client, plume(), query)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:smoke-bvm:problem:parameter_invalid"
    assert words in problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "instant", ["2026-05-01T12:00:00.123456789Z", "2026-05-01T14:00:00%2B02:00", "2026-05-01t12:00:00z"]
)
def test_an_instant_is_repeated_as_it_was_given(client, instant):
    reply = post(client, plume(), f"captured_at={instant}").json()
    assert reply["captured_at"] == instant.replace("%2B", "+")


@pytest.mark.parametrize("camera_id", ["...", ".a", "..a", "a.", "a..", "-", "..." + 61 * "a", 64 * "_"])
def test_dots_are_no_hindrance_where_they_mean_nothing_else(client, camera_id):
    assert post(client, plume(), f"outputs=&camera_id={camera_id}").json()["camera_id"] == camera_id
    assert client.get(f"/cameras/{camera_id}").json()["camera_id"] == camera_id


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("outputs=mask&outputs=total", {"mask", "total"}),
        ("outputs=mask,total&outputs=epistemic&outputs=mask", {"mask", "total", "epistemic"}),
        ("outputs=&outputs=mask", {"mask"}),
        ("outputs=", set()),
        ("", {"mask", "total", "aleatoric"}),
        ("threshold=0.5&threshold=0.5&outputs=", set()),
    ],
)
def test_outputs_may_be_a_list_or_a_parameter_each(client, query, names):
    assert set(post(client, plume(), query).json()["maps"]) == names


@pytest.mark.parametrize(
    "declared", ["image/jpeg", "image/pjpeg", "application/octet-stream", "binary/octet-stream", None]
)
def test_the_bytes_and_not_the_declaration_decide_the_format(client, declared):
    headers = {"Content-Type": declared} if declared else {}
    assert client.post("/segment", content=file_of(plume()), headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["frame", "file", "image"])
def test_a_form_is_answered_like_the_file_in_it(client, name):
    form = client.post(
        "/segment?captured_at=2026-05-01T12:00:00Z", files={name: ("plume.png", file_of(plume()), "image/png")}
    ).json()
    raw = client.post("/segment?captured_at=2026-05-01T12:00:00Z", content=file_of(plume())).json()
    for reply in (form, raw):
        del reply["request_id"], reply["latency_ms"]
    assert form == raw


def test_what_is_declared_as_something_else_is_refused_before_it_is_read(client):
    answer = client.post("/segment", content=file_of(plume()), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert "expected one of image/jpeg, image/png, image/webp, or a form" in answer.json()["detail"]


def test_more_bytes_than_allowed_are_refused(open_client):
    client = open_client(body_max_bytes=1024)
    answer = client.post("/segment", content=file_of(noisy()) + bytes(2048))
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:smoke-bvm:problem:body_too_large"


def test_more_bytes_than_allowed_are_refused_without_a_declared_length(open_client):
    client = open_client(body_max_bytes=1024)
    answer = client.post("/segment", content=(bytes(512) for _ in range(8)))
    assert answer.status_code == 413
    assert "found more than 1024 bytes" in answer.json()["detail"]


def test_more_pixels_than_allowed_are_refused(open_client):
    answer = post(open_client(pixels_max=1000), plain(0, 0, 0))
    assert answer.status_code == 413
    assert answer.json()["detail"] == "found 32 x 32 pixels, expected at most 1000 in all"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/segment", 405), ("POST", "/segments", 404)])
def test_a_wrong_address_or_method_is_a_problem_too(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
