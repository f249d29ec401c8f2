"""What no release can be is refused in words, and nothing is written."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models.close_ups import CloseUps
from models.manifest import ManifestError
from tests.conftest import build_release
from tests.training.conftest import Run, tiny
from tests.training.release.test_export import REPORT
from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import CheckpointError
from training.release import export as exporting
from training.release.export import ExportError, export
from training.release.parity import ParityError


def test_an_evaluation_that_tells_novelty_is_none_of_a_run_that_knows_none(tiny_run: Run, tmp_path: Path):
    unfitted = tmp_path / "last.ckpt"
    torch.save(torch.load(tiny_run.checkpoint, weights_only=True) | {"novelty": {}}, unfitted)
    report = REPORT | {"novelty": {"median": 0.9, "limit": 2.5, "share": 0.05}}
    with pytest.raises(ExportError, match=r"last\.ckpt: knows no novelty, which the evaluation tells"):
        export(unfitted, tmp_path / "out", None, "1.2.3", report)


def test_close_ups_that_cannot_be_are_refused_before_minutes_of_proofs(tiny_run: Run, tmp_path: Path):
    with pytest.raises(ExportError, match=r"found close_ups\.side 2, expected a number above 0, of 1 at most"):
        export(tiny_run.checkpoint, tmp_path, None, "1.2.3", REPORT | {"close_ups": asdict(CloseUps()) | {"side": 2}})


@pytest.mark.parametrize(
    "part",
    [
        {"calibration": {"temperature": 0.0, "shift": 0.0}},
        {"calibration": {"temperature": None, "shift": None}},
        {"calibration": [1]},
        {"gate": 5},
        {"gate": {"gate": {"weights": {"colour": 1.0}, "limit": 1.0}}},
        {"operating_points": {"points": []}},
        {"reference": {"brightness": {"edges": [1, 0, 2], "shares": [0.5, 0.5]}}},
        {"reference": []},
    ],
)
def test_a_report_that_no_manifest_can_take_is_refused_before_minutes_of_proofs(tiny_run, tmp_path, monkeypatch, part):
    monkeypatch.setattr(exporting, "to_onnx", lambda *_: pytest.fail("traced"))
    with pytest.raises(ExportError, match=r"^the evaluation is none that `evaluate` wrote: "):
        export(tiny_run.checkpoint, tmp_path / "out", None, "0.1.0", REPORT | part)
    assert not (tmp_path / "out").exists()


def test_an_existing_release_is_refused_and_stays(tiny_run, released):
    before = {path: path.read_bytes() for path in released.rglob("*") if path.is_file()}
    with pytest.raises(ExportError, match=r"smoke-tiny-0\.1\.0: exists already, and a release is immutable"):
        export(tiny_run.checkpoint, released.parent, None, "0.1.0", REPORT)
    assert {path: path.read_bytes() for path in released.rglob("*") if path.is_file()} == before


def test_a_file_that_is_not_the_module_is_refused_and_nothing_is_written(tiny_run, tmp_path, monkeypatch):
    def another(_: object, path: Path, size_px: int) -> None:
        shutil.copy(build_release(tmp_path / "closed-form", size_px) / "model.onnx", path)

    monkeypatch.setattr(exporting, "to_onnx", another)
    with pytest.raises(ParityError, match="differs by"):
        export(tiny_run.checkpoint, tmp_path / "out", None, "0.1.0", {})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("name", "version"),
    [("Smoke Tiny", "0.1.0"), ("../outside", "0.1.0"), (None, "1.0"), (None, "v1.0.0")],
)
def test_a_name_or_version_that_the_contract_does_not_know_is_refused_and_nothing_is_written(
    tiny_run, tmp_path, name, version
):
    (tmp_path / "out").mkdir()
    with pytest.raises(ManifestError, match=r"found (name|version)"):
        export(tiny_run.checkpoint, tmp_path / "out", name, version, {})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "version", "report"),
    [
        ("My Model", "0.1.0", {}),
        (None, "1.0", {}),
        (None, "0.1.0", {"threshold": None}),
        (None, "0.1.0", {"threshold": "x"}),
        (None, "0.1.0", {"threshold": 1.5}),
    ],
)
def test_what_no_release_can_be_is_refused_before_minutes_of_proofs(
    tiny_run, tmp_path, monkeypatch, name, version, report
):
    monkeypatch.setattr(exporting, "to_onnx", lambda *_: pytest.fail("traced"))
    with pytest.raises(ManifestError, match=r"^(found )?(name|version|threshold) "):
        export(tiny_run.checkpoint, tmp_path / "out", name, version, report)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_none_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(CheckpointError, match="not found"):
        export(tmp_path / "absent.ckpt", tmp_path / "out", None, "0.1.0", {})
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_whose_estimator_is_not_trained_is_refused(tiny_run, tmp_path):
    early = tmp_path / "last.ckpt"
    checkpoints.save(replace(checkpoints.load(tiny_run.checkpoint), phase="generator"), early)
    with pytest.raises(ExportError, match="phase 'generator', where g_gamma is not trained"):
        export(early, tmp_path / "out", None, "0.1.0", {})
    assert not (tmp_path / "out").exists()


def test_a_network_to_compare_with_is_no_release(tiny_run, tmp_path):
    found = checkpoints.load(tiny_run.checkpoint)
    checkpoints.save(replace(found, config=tiny('network.library="PSPNet"')), tmp_path / "last.ckpt")
    with pytest.raises(ExportError, match="found network 'PSPNet', which is there to compare with"):
        export(tmp_path / "last.ckpt", tmp_path / "out", None, "0.1.0", {})
    assert not (tmp_path / "out").exists()
