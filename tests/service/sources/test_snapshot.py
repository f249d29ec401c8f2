"""Snapshots of a real HTTP server: passwords, refusals, what is no picture."""

import pytest

from service.sources.readers.pace import ReadingFailed
from service.sources.readers.snapshot import read_snapshots
from tests.pictures import file_of, noisy, plume
from tests.service.sources.camera_server import Camera, serving
from tests.service.sources.specs import spec_of

PICTURE = file_of(plume(), "JPEG")


def test_each_interval_gives_the_present_picture():
    with serving(Camera(PICTURE)) as camera:
        frames = read_snapshots(spec_of("snapshot", camera.url()))
        first = next(frames)
        camera.picture = file_of(noisy(), "PNG")
        second = next(frames)
    assert (first.body, second.body) == (PICTURE, camera.picture)
    assert second.captured_s - first.captured_s >= 0.09


@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_a_camera_gets_name_and_password_as_it_asks_for_them(scheme):
    with serving(Camera(PICTURE, scheme)) as camera:
        frames = read_snapshots(spec_of("snapshot", camera.url(), username="viewer", password="geheim"))
        assert [next(frames).body for _ in range(3)] == [PICTURE] * 3
    used = [words.split()[0].lower() for words in camera.authorizations if words]
    assert set(used) == {scheme}
    assert len(used) >= 3


def test_nothing_is_sent_to_a_camera_that_does_not_ask():
    with serving(Camera(PICTURE)) as camera:
        next(read_snapshots(spec_of("snapshot", camera.url(), username="viewer", password="geheim")))
    assert camera.authorizations == [""]


@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_a_wrong_password_is_said(scheme):
    with serving(Camera(PICTURE, scheme)) as camera:
        frames = read_snapshots(spec_of("snapshot", camera.url(), username="viewer", password="falsch"))
        with pytest.raises(ReadingFailed, match="found status 401, expected 200; is the password right"):
            next(frames)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("failing", "found status 503, expected 200"),
        ("login", "found 26 bytes of text/html, expected a JPEG, PNG or WebP file"),
        ("garbage", "found 792 bytes of image/jpeg, expected a JPEG"),
    ],
)
def test_what_is_no_picture_is_said(behaviour, words):
    with serving(Camera(PICTURE)) as camera:
        camera.behaviour = behaviour
        with pytest.raises(ReadingFailed, match=words):
            next(read_snapshots(spec_of("snapshot", camera.url())))
