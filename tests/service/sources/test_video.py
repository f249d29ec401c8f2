"""Video files, made here from rendered frames, and what any decoder of FFmpeg gives: frames at the interval of the video's own time."""

import itertools
import os
from pathlib import Path

import av
import numpy as np
import pytest

from service.sources.readers import video
from service.sources.readers.pace import ReadingFailed
from service.sources.readers.video import read_device, read_video, with_password
from tests.films import RATE, write_video
from tests.pictures import array_of, plain, plume
from tests.service.sources.specs import spec_of


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two seconds: calm, then a plume; it was finished on the first of May, 2026, at noon."""
    calm = plain(26, 51, 128, 64, 48)
    file = write_video(tmp_path / "film.mp4", [calm] * RATE + [plume()] * RATE)
    os.utime(file, (1777636800, 1777636800))
    return file


def test_a_video_gives_a_frame_for_each_interval_of_its_own_time_and_then_ends(film):
    frames = list(read_video(spec_of("video", film, interval_s=0.5)))
    assert [frame.captured_s - 1777636800 for frame in frames] == pytest.approx([-2, -1.5, -1, -0.5], abs=0.01)
    reds = [int(np.median(array_of(frame.body)[:, 16:32, 0])) for frame in frames]
    assert reds == pytest.approx([26, 26, 204, 204], abs=6)


def test_a_video_goes_on_where_it_was_left(film):
    frames = list(read_video(spec_of("video", film, interval_s=0.5, after_s=1777636800 - 1.5)))
    assert [frame.captured_s - 1777636800 for frame in frames] == pytest.approx([-1, -0.5], abs=0.01)


def test_sound_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ReadingFailed, match="found no video in it, expected some"):
        next(read_video(spec_of("video", tmp_path / "sound.wav")))


def test_what_is_no_video_is_said(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"garbage" * 99)
    with pytest.raises(av.error.InvalidDataError):
        next(read_video(spec_of("video", tmp_path / "film.mp4")))


def test_a_device_gives_frames_as_they_come(monkeypatch):
    monkeypatch.setattr(video, "DEVICE_FORMAT", "lavfi")  # FFmpeg's own source of test pictures, read as a webcam is.
    frames = read_device(spec_of("device", "testsrc=size=64x48:rate=30", interval_s=0.1))
    first, second = itertools.islice(frames, 2)
    frames.close()
    assert array_of(first.body).shape == (48, 64, 3)
    assert second.captured_s - first.captured_s >= 0.09


def test_a_device_that_is_not_there_is_said():
    with pytest.raises(FileNotFoundError):
        next(read_device(spec_of("device", "/dev/no-such-camera")))


def test_name_and_password_go_into_the_url_whatever_letters_they_have():
    spec = spec_of("rtsp", "rtsp://10.0.0.7:554/1?channel=2", username="a@b", password="p/w:#%")
    assert with_password(spec) == "rtsp://a%40b:p%2Fw%3A%23%25@10.0.0.7:554/1?channel=2"
