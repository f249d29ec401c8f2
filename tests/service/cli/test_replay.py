"""The command on the closed-form release."""

import json

import numpy as np
import pytest

from models.operating_points import OperatingPoint, OperatingPoints
from service.__main__ import main
from service.cli.replay import jittered
from tests.conftest import build_release
from tests.pictures import array_of, noisy, plain


def test_the_command_finds_the_plume_on_its_third_frame_and_writes_the_numbers(release, recording, tmp_path, capsys):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release), "--out", str(out)]
    assert main(arguments) == 0
    assert "a region on 0 of 3 frames smoke-free, a region on 5 of 5 frames with smoke" in " ".join(
        capsys.readouterr().out.split()
    )
    total = json.loads(out.read_text())["totals"]["gate"]
    assert (total["median_detection_minutes"], total["alarms_per_camera_day"]) == (2.0, pytest.approx(180.0))
    assert (total["fires"], total["detected"], total["median_detection_s"], total["false_alarms"]) == (1, 1, 120.0, 0)


def test_pictures_shown_again_and_again_are_cameras_of_their_own(release, recording, tmp_path):
    out = tmp_path / "numbers.json"
    arguments = [
        "replay",
        str(recording),
        "--interval",
        "60",
        "--repeat",
        "4",
        "--jitter",
        "1",
        "--model-dir",
        str(release),
    ]
    assert main([*arguments, "--out", str(out)]) == 0
    total = json.loads(out.read_text())["totals"]["no gate"]
    assert (total["cameras"], total["frames"], total["alarms"], total["false_alarms"]) == (8, 32, 5, 5)


def test_a_threshold_above_the_plume_sees_nothing(release, recording, tmp_path):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--threshold", "0.81", "--model-dir", str(release)]
    assert main([*arguments, "--out", str(out)]) == 0
    numbers = json.loads(out.read_text())
    assert (numbers["threshold"], numbers["totals"]["gate"]["detected"]) == (0.81, 0)


def test_a_folder_without_pictures_is_refused(release, tmp_path):
    assert main(["replay", str(tmp_path), "--interval", "60", "--model-dir", str(release)]) == 2


def test_a_shaken_picture_is_the_same_every_time_and_moves_by_no_more_than_it_may():
    dot = plain(0, 0, 0)
    dot[16, 16] = 255
    frames = [array_of(data) for data in jittered(dot, 20, 3, seed=1)]
    spots = np.array([np.unravel_index(frame[..., 1].argmax(), frame.shape[:2]) for frame in frames])
    assert np.abs(spots - 16).max() == 3
    assert [*jittered(noisy(), 2, 3, seed=1)] == [*jittered(noisy(), 2, 3, seed=1)]


def test_a_rate_takes_the_threshold_that_the_release_certifies_and_the_numbers_say_so(recording, tmp_path):
    points = OperatingPoints(0.95, 159, 110, (OperatingPoint(0.6, 0.05, 0.1, 0.9), OperatingPoint(0.9, 0.0, 0.05, 0.8)))
    release, out = build_release(tmp_path, operating_points=points), tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release), "--out", str(out)]
    assert main([*arguments, "--false-alarm-rate", "0.07"]) == 0
    numbers = json.loads(out.read_text())
    assert (numbers["threshold"], numbers["totals"]["gate"]["detected"]) == (0.9, 0)
    assert numbers["operating_point"] == {"false_alarm_rate": 0.07, "upper_bound": 0.05, "confidence": 0.95}


def test_a_rate_that_is_not_certified_is_refused_in_words(release, recording, capsys):
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release)]
    assert main([*arguments, "--false-alarm-rate", "0.07"]) == 2
    assert "SMOKE_FALSE_ALARM_RATE: found a false-alarm rate of 0.07 and release smoke-test" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--false-alarm-rate", "0.07", "--threshold", "0.5"])
