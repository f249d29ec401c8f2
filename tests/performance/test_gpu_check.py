"""The steps of the check on the one device that is everywhere, with training left out."""

from pathlib import Path

import pytest

from service.errors import ProviderUnusable
from tests.conftest import build_release
from tests.performance import gpu_check
from tests.performance.gpu_check import Report, differences, main
from tests.tools import program


def test_a_step_that_fails_is_told_and_the_next_goes_on():
    report = Report()
    with report.step("one"):
        raise ValueError("two\nlines")
    with report.step("two") as words:
        words.append("well")
    assert report.failed
    assert report.text("cpu").splitlines()[2:4] == [
        "| one | failed: unexpected ValueError: two lines | 0 s |",
        "| two | well | 0 s |",
    ]


def test_how_far_a_release_is_from_its_golden_maps_is_said(release):
    said = differences(release, "cpu")
    assert said.startswith("at most probability ")
    assert said.endswith(" apart (1e-05 allowed), every batch size checked")


def test_a_gpu_that_is_not_there_is_an_error_and_no_measurement(release):
    with pytest.raises(ProviderUnusable):
        differences(release, "cuda")


def test_the_whole_check_writes_its_tables_and_fails_if_a_step_did(tmp_path, monkeypatch, capsys):
    program("wrk", "wrk")
    release = build_release(tmp_path)
    monkeypatch.setattr(gpu_check, "newest_release", lambda: release)
    monkeypatch.setattr(gpu_check, "_run", lambda *_: "done")
    monkeypatch.setattr(gpu_check, "_CLIENTS", (2,))
    out = tmp_path / "gpu-check.md"
    assert main(["--device", "cpu", "--rounds", "1", "--seconds", "1", "--out", str(out)]) == 1
    text = out.read_text()
    assert capsys.readouterr().out == text
    assert "| train `tiny` | done |" in text
    assert "| golden frame of smoke-tiny-0.0.1, beside the CPU's answer | failed: " in text
    assert "| golden frame of smoke-test-0.0.1, beside the CPU's answer | at most probability 0.0e+00" in text
    assert "| CPU |" in text
    (served,) = [line.split(" | ") for line in text.splitlines() if line.startswith("| 2 | ")]
    assert served[-1] == "0, 0 |"


def test_without_its_generator_nothing_is_served_and_that_is_said(release, tmp_path: Path):
    with pytest.raises(RuntimeError, match="found no absent-wrk, expected the load generator"):
        gpu_check.served(release, "cpu", tmp_path, 1, "absent-wrk")
