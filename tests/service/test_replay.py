"""Recordings whose outcome can be counted by hand, and the command on the closed-form release."""

import json
from pathlib import Path

import numpy as np
import pytest

from service.__main__ import main
from service.cameras.evidence import Policy, Sighting
from service.cameras.replay import Shot, add_up, compare, play
from service.cli.recordings import Label, read_labels, read_recording
from service.cli.replay import jittered
from service.errors import SettingsInvalid
from tests.pictures import array_of, file_of, noisy, plain, plume

FIRE = (0.4, 0.4, 0.5, 0.5)
CLOUD = (0.8, 0.1, 0.9, 0.2)
POLICY = Policy(frames=5, hits=3.0)


def shot(*boxes, truth=(), doubted=False) -> Shot:
    return Shot(tuple(Sighting(box, 0.9, doubted) for box in boxes), bool(truth), tuple(truth))


def test_the_time_to_detection_runs_from_the_first_smoke_to_the_first_true_alarm():
    shots = [shot()] * 4 + [shot(truth=[FIRE])] * 2 + [shot(FIRE, truth=[FIRE])] * 4
    outcome = play(shots, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (1, 0, 4 * 60.0)
    assert outcome.hours == 10 / 60


def test_an_alarm_where_nobody_saw_smoke_is_false_and_detects_nothing():
    shots = [shot(CLOUD)] * 5 + [shot(CLOUD, truth=[FIRE])] * 3
    outcome = play(shots, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (1, 1, None)
    assert outcome.smoke


def test_a_fire_is_found_although_a_false_alarm_lasts_elsewhere():
    shots = [shot(CLOUD)] * 5 + [shot(CLOUD, FIRE, truth=[FIRE])] * 3
    outcome = play(shots, 60.0, POLICY)
    assert (outcome.alarms, outcome.false_alarms, outcome.detected_s) == (2, 1, 2 * 60.0)


def test_without_labels_nothing_is_called_false():
    assert play([Shot((Sighting(FIRE, 0.9, doubted=False),))] * 5, 60.0, POLICY).false_alarms is None


def test_the_gate_turns_false_alarms_into_reviews_and_the_plain_count_adds_up_what_is_apart():
    doubted = [shot(CLOUD, doubted=True)] * 7
    wandering = [shot(FIRE), shot(CLOUD), shot(FIRE), shot(CLOUD), shot(FIRE)]
    totals = compare([doubted, wandering], 1800.0, Policy(frames=5, hits=3.0, window_s=1e5))
    found = {name: (total.alarms, total.false_alarms_per_hour, total.reviews) for name, total in totals.items()}
    # Twelve frames, six hours; three of the last five at one place raise an alarm on the fifth.
    assert found["gate"] == (1, 1 / 6, 1)
    assert found["no gate"] == (2, 2 / 6, 0)
    assert found["plain k of n"] == (2, 2 / 6, 0)
    apart = compare([[shot(FIRE), shot(CLOUD), shot((0.1, 0.8, 0.2, 0.9)), shot()]], 60.0, POLICY)
    assert (apart["no gate"].alarms, apart["plain k of n"].alarms) == (0, 1)


def test_a_line_adds_up_several_cameras():
    fire = play([shot(FIRE, truth=[FIRE])] * 4, 900.0, POLICY)
    calm = play([shot()] * 8, 900.0, POLICY)
    total = add_up([fire, calm])
    assert (total.cameras, total.frames, total.hours) == (2, 12, 3.0)
    assert (total.fires, total.detected, total.median_detection_s) == (1, 0, None)
    assert add_up([]).false_alarms_per_hour is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three calm frames, then five with a plume that somebody marked."""
    folder = tmp_path / "ridge"
    folder.mkdir()
    lines = ["frame,original,smoke_labelled,boxes xmin ymin xmax ymax"]
    for number in range(8):
        smoke = number >= 3
        (folder / f"{number:03}.png").write_bytes(file_of(plume() if smoke else plain(26, 51, 128, 64, 48)))
        lines.append(f"{number:03}.png,x,{int(smoke)},{'16 0 32 48' if smoke else ''}")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_labels_are_read_with_any_number_of_boxes(folder):
    assert read_recording(folder).labels["003.png"] == Label(smoke=True, boxes=((16.0, 0.0, 32.0, 48.0),))
    (folder / "frames.csv").write_text("frame,smoke_labelled,boxes\na.jpg,1,1 2 3 4 5 6 7 8\nb.jpg,0\n")
    assert read_labels(folder / "frames.csv") == {
        "a.jpg": Label(smoke=True, boxes=((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))),
        "b.jpg": Label(smoke=False, boxes=()),
    }


@pytest.mark.parametrize("text", ["", "frame\na.jpg\n", "frame,smoke_labelled,boxes\na.jpg,1,1 2 3\n"])
def test_labels_that_cannot_be_read_are_refused(tmp_path, text):
    (tmp_path / "frames.csv").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"frames\.csv"):
        read_labels(tmp_path / "frames.csv")


def test_the_command_finds_the_plume_on_its_third_frame_and_writes_the_numbers(release, folder, tmp_path, capsys):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(folder), "--interval", "60", "--model-dir", str(release), "--out", str(out)]
    assert main(arguments) == 0
    assert "a region on 0 of 3 frames smoke-free, a region on 5 of 5 frames with smoke" in " ".join(
        capsys.readouterr().out.split()
    )
    total = json.loads(out.read_text())["totals"]["gate"]
    assert (total["fires"], total["detected"], total["median_detection_s"], total["false_alarms"]) == (1, 1, 120.0, 0)


def test_pictures_shown_again_and_again_are_cameras_of_their_own(release, folder, tmp_path):
    out = tmp_path / "numbers.json"
    arguments = [
        "replay",
        str(folder),
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


def test_a_threshold_above_the_plume_sees_nothing(release, folder, tmp_path):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(folder), "--interval", "60", "--threshold", "0.81", "--model-dir", str(release)]
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
