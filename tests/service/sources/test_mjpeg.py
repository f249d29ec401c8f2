"""MJPEG of a real HTTP server: its pictures come as they are, at the interval."""

import itertools

import av
import pytest

from service.sources.readers import mjpeg
from service.sources.readers.mjpeg import read_mjpeg
from service.sources.readers.pace import ReadingFailed
from tests.pictures import file_of, noisy, plume
from tests.service.sources import camera_server
from tests.service.sources.camera_server import Camera, serving
from tests.service.sources.specs import spec_of

PICTURE = file_of(plume(), "JPEG")


def test_the_pictures_of_a_stream_come_byte_for_byte_at_the_interval():
    with serving(Camera(PICTURE)) as camera:
        frames = read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg"), interval_s=0.3))
        first = next(frames)
        camera.picture = file_of(noisy(3, 64, 48), "JPEG")
        second = next(frames)
        frames.close()
    assert (first.body, second.body) == (PICTURE, camera.picture)
    assert second.captured_s - first.captured_s >= 0.29


def test_the_first_picture_comes_at_once_however_slow_the_stream_is():
    with serving(Camera(PICTURE)) as camera:
        camera.behaviour = "slow"
        frames = read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg")))
        assert next(frames).body == PICTURE
        frames.close()
        assert camera.parts <= 2


@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_a_stream_with_a_password(scheme):
    with serving(Camera(PICTURE, scheme)) as camera:
        frames = read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg"), username="viewer", password="geheim"))
        assert next(frames).body == PICTURE
        frames.close()
    assert camera.authorizations[-1].lower().startswith(scheme)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("failing", "found status 503, expected 200"),
        ("login", "found text/html, expected multipart/x-mixed-replace"),
        ("cut", "found the end of the stream, expected it to go on"),
    ],
)
def test_what_is_no_stream_is_said(behaviour, words):
    with serving(Camera(PICTURE)) as camera:
        camera.behaviour = behaviour
        with pytest.raises(ReadingFailed, match=words):
            list(itertools.islice(read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg"))), 50))


def test_garbage_gives_no_frame():
    with serving(Camera(PICTURE)) as camera:
        camera.behaviour = "garbage"
        with pytest.raises((ReadingFailed, av.error.FFmpegError)):
            next(read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg"))))


def test_the_type_of_a_stream_may_be_written_in_capitals(monkeypatch):
    monkeypatch.setattr(camera_server, "MULTIPART", "Multipart/X-Mixed-Replace; boundary=frame")
    with serving(Camera(PICTURE)) as camera:
        frames = read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg")))
        assert next(frames).body == PICTURE
        frames.close()


def test_a_picture_without_an_end_is_given_up_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(mjpeg, "BODY_MAX_BYTES", 2**20)
    with serving(Camera(PICTURE)) as camera:
        camera.behaviour = "endless"
        with pytest.raises(ReadingFailed, match="more than 1048576 bytes without"):
            next(read_mjpeg(spec_of("mjpeg", camera.url("/stream.mjpg"))))
