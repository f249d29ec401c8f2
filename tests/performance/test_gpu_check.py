"""The steps of the check on the one device that is everywhere, with training left out."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.manifest import Manifest, describe
from service.errors import ProviderUnusable
from tests.conftest import build_release
from tests.performance import gpu_check
from tests.performance.gpu_check import Report, differences, main, precisions
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
    said = differences(release, "cpu", "fp32")
    assert said.startswith("at most probability ")
    assert said.endswith(" apart (1e-05 allowed), every batch size checked")


def test_a_gpu_that_is_not_there_is_an_error_and_no_measurement(release):
    with pytest.raises(ProviderUnusable):
        differences(release, "cuda", "fp32")


@pytest.fixture
def with_fp16(tmp_path: Path) -> Path:
    """A release whose fp16 model says what the fp32 one does, and may be further from the golden maps."""
    folder = build_release(tmp_path)
    shutil.copy(folder / "model.onnx", folder / "model.fp16.onnx")
    manifest = Manifest.read(folder)
    replace(
        manifest,
        models={**manifest.models, "fp16": "model.fp16.onnx"},
        goldens={"fp16": replace(manifest.golden, tolerance=0.05)},
        files={**manifest.files, "model.fp16.onnx": describe(folder / "model.fp16.onnx")},
    ).write(folder)
    return folder


def test_an_fp16_model_is_held_to_what_its_release_allows_it(with_fp16):
    assert precisions(with_fp16) == ["fp32", "fp16"]
    assert differences(with_fp16, "cpu", "fp16").endswith(" apart (0.05 allowed), every batch size checked")


def test_the_whole_check_writes_its_tables_and_fails_if_a_step_did(with_fp16, tmp_path, monkeypatch, capsys):
    program("wrk", "wrk")
    monkeypatch.setattr(gpu_check, "_run", lambda *_: "done")
    monkeypatch.setattr(gpu_check, "_CLIENTS", (2,))
    out = tmp_path / "gpu-check.md"
    asked = ["--device", "cpu", "--release", str(with_fp16), "--rounds", "1", "--seconds", "1", "--out", str(out)]
    assert main(asked) == 1
    text = out.read_text()
    assert capsys.readouterr().out == text
    assert "| train `tiny` | done |" in text
    for precision in ("fp32", "fp16"):
        assert f"| golden frame of smoke-tiny-0.0.1 in {precision}, beside the CPU's answer | failed: " in text
        assert (
            f"| golden frame of smoke-test-0.0.1 in {precision}, beside the CPU's answer | at most probability 0.0e+00"
            in text
        )
    assert "| CPU |" in text
    assert "| CPU, fp16 |" in text
    served = [line.split(" | ") for line in text.splitlines() if line.startswith(("| fp32 | 2 ", "| fp16 | 2 "))]
    assert [row[-1] for row in served] == ["0, 0 |"] * 2


def test_without_its_generator_nothing_is_served_and_that_is_said(release, tmp_path: Path):
    with pytest.raises(RuntimeError, match="found no absent-wrk, expected the load generator"):
        gpu_check.served(release, "cpu", "fp32", tmp_path, 1, "absent-wrk")
