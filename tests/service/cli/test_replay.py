"""The command on the closed-form release."""

import errno
import json
from typing import NoReturn

import pytest

import service.cli.replay
from models.operating_points import OperatingPoint, OperatingPoints
from service.__main__ import main
from tests.conftest import build_release


def test_the_command_finds_the_plume_on_its_third_frame_and_writes_the_numbers(release, recording, tmp_path, capsys):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release), "--out", str(out)]
    assert main(arguments) == 0
    assert "a region on 0 of 3 frames smoke-free, a region on 5 of 5 frames with smoke" in " ".join(
        capsys.readouterr().out.split()
    )
    total = json.loads(out.read_text())["totals"]["alarm"]
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
    total = json.loads(out.read_text())["totals"]["alarm"]
    assert (total["cameras"], total["frames"], total["alarms"], total["false_alarms"]) == (8, 32, 5, 5)


def replayed(release, *arguments: object) -> int:
    return main(["replay", *map(str, arguments), "--interval", "60", "--model-dir", str(release)])


def test_a_line_says_when_an_alarm_came_and_whether_it_was_right(release, recording, tmp_path, capsys):
    assert replayed(release, recording, "--out", tmp_path / "numbers.json") == 0
    assert "alarm  0:05:00  ridge  005.png  true\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "numbers.json").read_text())["alarms"] == [
        {"camera": "ridge", "frame": "005.png", "at_s": 300.0, "right": True}
    ]


def test_an_alarm_at_which_nobody_looked_is_neither_true_nor_false(release, recording, capsys):
    (recording / "frames.csv").unlink()
    assert replayed(release, recording) == 0
    assert "alarm  0:05:00  ridge  005.png  nobody looked\n" in capsys.readouterr().out


def test_the_timeline_has_a_line_on_every_frame(release, recording, capsys):
    (recording / "001.png").write_bytes(b"")
    assert replayed(release, recording, "--timeline") == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("0:0")]
    assert lines[0] == "0:00:00  ridge  000.png  no smoke  regions 0  score 0.00  clear"
    assert lines[1] == "0:01:00  ridge  001.png  unreadable"
    assert lines[5] == "0:05:00  ridge  005.png  smoke  regions 1  score 1.00  alarm  raised, true"
    assert len(lines) == 8


def test_a_broken_file_is_named_and_left_out(release, recording, tmp_path, capsys):
    (recording / "004.png").write_bytes(b"no picture")
    out = tmp_path / "numbers.json"
    assert replayed(release, recording, "--out", out) == 1
    said = capsys.readouterr()
    assert "004.png: found a body that starts with b'no pictu'" in said.err
    assert "alarm  0:06:00  ridge  006.png  true\n" in said.out
    total = json.loads(out.read_text())["totals"]["alarm"]
    assert (total["frames"], total["detected"], total["median_detection_s"]) == (7, 1, 180.0)
    assert replayed(release, recording, "--out", out, "--repeat", "2") == 1
    assert json.loads(out.read_text())["totals"]["alarm"]["cameras"] == 7


def test_labels_of_no_file_are_told(release, recording, capsys):
    (recording / "000.png").unlink()
    assert replayed(release, recording) == 0
    assert "ridge: 1 labels are of no file of the folder, the first is '000.png'" in capsys.readouterr().err


def test_frames_are_replayed_in_the_order_in_which_a_person_counts(release, recording, tmp_path):
    labels = (recording / "frames.csv").read_text()
    for number in reversed(range(8)):
        (recording / f"{number:03}.png").rename(recording / f"{8 + number}.png")
        labels = labels.replace(f"{number:03}.png", f"{8 + number}.png")
    (recording / "frames.csv").write_text("\ufeff" + labels, encoding="utf-8")
    assert replayed(release, recording, "--out", tmp_path / "numbers.json") == 0
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["totals"]["alarm"]["median_detection_s"] == 120.0
    assert numbers["alarms"][0]["frame"] == "13.png"


@pytest.mark.parametrize("arguments", [(), ("--repeat", "3", "--jitter", "2")])
def test_frames_that_overlap_give_the_numbers_of_those_one_after_another(
    release, recording, tmp_path, monkeypatch, arguments
):
    numbers = []
    for at_once in (1, 16):
        monkeypatch.setattr("service.cli.replay.frames_at_once", lambda *_, most=at_once: most)
        assert replayed(release, recording, "--out", tmp_path / "numbers.json", *arguments) == 0
        numbers.append((tmp_path / "numbers.json").read_text())
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("option", ["--repeat", "--jitter"])
@pytest.mark.parametrize("value", ["-3", "1.5", "many", "", "1e3", "²"])
def test_a_number_that_is_none_is_refused(release, recording, capsys, option, value):
    with pytest.raises(SystemExit) as stop:
        replayed(release, recording, f"{option}={value}")
    assert stop.value.code == 2
    assert "expected a whole number from 0" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["", "absent/numbers.json"])
def test_a_place_where_no_numbers_can_be_written_is_refused_before_the_work(release, recording, tmp_path, capsys, out):
    assert replayed(release, recording, "--out", tmp_path / out) == 2
    assert "expected a file, in a folder that is there" in capsys.readouterr().err


def test_a_threshold_above_the_plume_sees_nothing(release, recording, tmp_path):
    out = tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--threshold", "0.81", "--model-dir", str(release)]
    assert main([*arguments, "--out", str(out)]) == 0
    numbers = json.loads(out.read_text())
    assert (numbers["threshold"], numbers["totals"]["alarm"]["detected"]) == (0.81, 0)


def test_a_folder_without_pictures_is_refused(release, tmp_path):
    assert main(["replay", str(tmp_path), "--interval", "60", "--model-dir", str(release)]) == 2


def test_a_rate_takes_the_threshold_that_the_release_certifies_and_the_numbers_say_so(recording, tmp_path):
    points = OperatingPoints(0.95, 159, 110, (OperatingPoint(0.6, 0.05, 0.1, 0.9), OperatingPoint(0.9, 0.0, 0.05, 0.8)))
    release, out = build_release(tmp_path, operating_points=points), tmp_path / "numbers.json"
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release), "--out", str(out)]
    assert main([*arguments, "--false-alarm-rate", "0.07"]) == 0
    numbers = json.loads(out.read_text())
    assert (numbers["threshold"], numbers["totals"]["alarm"]["detected"]) == (0.9, 0)
    assert numbers["operating_point"] == {"false_alarm_rate": 0.07, "upper_bound": 0.05, "confidence": 0.95}


def test_a_rate_that_is_not_certified_is_refused_in_words(release, recording, capsys):
    arguments = ["replay", str(recording), "--interval", "60", "--model-dir", str(release)]
    assert main([*arguments, "--false-alarm-rate", "0.07"]) == 2
    assert "SMOKE_FALSE_ALARM_RATE: found a false-alarm rate of 0.07 and release smoke-test" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--false-alarm-rate", "0.07", "--threshold", "0.5"])


@pytest.mark.parametrize("repeat", [(), ("--repeat", "2")])
def test_a_file_past_the_byte_limit_is_named_and_not_read(release, recording, capsys, repeat):
    with (recording / "004.png").open("wb") as stream:
        stream.truncate(2**40)
    assert replayed(release, recording, *repeat) == 1
    assert "004.png: [Errno 27] found a file of more than" in capsys.readouterr().err


def test_a_link_that_leads_nowhere_is_a_frame_that_cannot_be_read(release, recording, capsys):
    (recording / "001.png").unlink()
    (recording / "001.png").symlink_to("nowhere")
    assert replayed(release, recording, "--timeline") == 1
    assert "0:01:00  ridge  001.png  unreadable\n" in capsys.readouterr().out


def test_whoever_reads_no_line_gets_the_numbers_all_the_same(release, recording, tmp_path, monkeypatch):
    """`| head` took them: they were written after the lines."""

    def gone(_alarms: object) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(service.cli.replay, "alarm_lines", gone)
    out = tmp_path / "numbers.json"
    assert replayed(release, recording, "--out", out) == 1
    assert json.loads(out.read_text())["totals"]["alarm"]["fires"] == 1
