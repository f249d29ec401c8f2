"""Which of a release's models runs: by what was asked for, where it runs, and whether it answers there as released."""

import dataclasses
import logging
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.manifest import Golden, Manifest, describe
from service.errors import ModelUnusable
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from tests.conftest import closed_form
from tests.pictures import noisy
from tests.service.runtime.conftest import promise

CPU = RuntimeOptions(provider="cpu")


def with_second(release: Path, precision: str) -> Path:
    """The release with one more model, which says what the fp32 one does but has golden maps of its own."""
    shutil.copy(release / "model.onnx", release / f"model.{precision}.onnx")
    shutil.copy(release / "golden/maps.npz", release / f"golden/maps.{precision}.npz")
    manifest = Manifest.read(release)
    added = (f"model.{precision}.onnx", f"golden/maps.{precision}.npz")
    dataclasses.replace(
        manifest,
        models={**manifest.models, precision: added[0]},
        goldens={**manifest.goldens, precision: Golden("golden/frame.png", added[1], 1e-5)},
        files={file: describe(release / file) for file in (*manifest.files, *added)},
    ).write(release)
    return release


@pytest.fixture
def both(broken: Path) -> Path:
    """A release with an int8 model."""
    return with_second(broken, "int8")


@pytest.fixture
def three(both: Path) -> Path:
    """A release with an int8 and an fp16 model."""
    return with_second(both, "fp16")


def spoil(release: Path, precision: str) -> None:
    """As where another processor's int8 sums saturate."""
    maps = closed_form(noisy(7))
    np.savez(release / f"golden/maps.{precision}.npz", **{**maps, "total": maps["total"] + np.float32(0.1)})
    promise(release)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a GPU can be used: sessions of the CPU that say they are on it, and keep their buffers in the host's memory."""
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(
        "service.runtime.session._open_session",
        lambda path, _: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]),
    )
    monkeypatch.setattr("service.runtime.providers.found", lambda _: "cuda")
    monkeypatch.setattr("service.runtime.session.BoundSession", lambda session, *_: session)


@pytest.mark.parametrize(("asked", "runs"), [("auto", "int8"), ("int8", "int8"), ("fp32", "fp32"), ("fp16", "fp16")])
def test_on_a_cpu_auto_runs_int8_and_fp16_only_where_it_is_asked_for(three, asked, runs):
    model = open_model(three, RuntimeOptions(provider="cpu", precision=asked))
    assert model.identity.precision == runs
    assert model.identity.sha256 == describe(three / "model.onnx").sha256


def test_on_a_cpu_auto_does_not_run_fp16_where_there_is_no_int8(broken, caplog):
    assert open_model(with_second(broken, "fp16"), CPU).identity.precision == "fp32"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("asked", "runs"), [("auto", "fp16"), ("int8", "int8"), ("fp32", "fp32"), ("fp16", "fp16")])
def test_on_cuda_auto_runs_fp16(three, asked, runs):
    identity = open_model(three, RuntimeOptions(precision=asked)).identity
    assert (identity.provider, identity.precision) == ("cuda", runs)


@pytest.mark.usefixtures("cuda")
def test_on_cuda_auto_runs_fp32_where_there_is_int8_alone_and_does_not_open_that(both, caplog):
    spoil(both, "int8")
    assert open_model(both, RuntimeOptions()).identity.precision == "fp32"
    assert "int8" not in caplog.text


@pytest.mark.usefixtures("cuda")
def test_a_gpu_build_whose_gpu_cannot_be_used_runs_int8(three, monkeypatch):
    monkeypatch.setattr("service.runtime.providers.found", lambda _: "cpu")
    assert open_model(three, RuntimeOptions()).identity.precision == "int8"


@pytest.mark.usefixtures("cuda")
def test_where_tensorrt_is_asked_for_auto_runs_fp32(three):
    assert open_model(three, RuntimeOptions(provider="tensorrt")).identity.precision == "fp32"


@pytest.mark.parametrize("asked", ["auto", "fp32"])
def test_a_release_with_one_model_runs_fp32(release, asked, caplog):
    assert open_model(release, RuntimeOptions(provider="cpu", precision=asked)).identity.precision == "fp32"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("asked", ["int8", "fp16"])
def test_a_model_asked_for_and_not_there_is_refused_in_words(release, asked):
    with pytest.raises(ModelUnusable, match=rf"found models fp32, expected {asked} among them \(SMOKE_PRECISION\)"):
        open_model(release, RuntimeOptions(provider="cpu", precision=asked))


def test_int8_that_answers_otherwise_here_gives_way_to_fp32_aloud(both, caplog):
    spoil(both, "int8")
    assert open_model(both, CPU).identity.precision == "fp32"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.message == "int8 does not answer here as released: running fp32"
    assert "golden frame, total" in warning.reason


@pytest.mark.usefixtures("cuda")
def test_fp16_that_answers_otherwise_here_gives_way_to_fp32_aloud(three, caplog):
    spoil(three, "fp16")
    options = RuntimeOptions(cuda_graphs=False)
    assert open_model(three, options).identity.precision == "fp32"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.message == "fp16 does not answer here as released: running fp32"


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_model_that_answers_otherwise_here_is_refused_where_it_is_asked_for(three, precision):
    spoil(three, precision)
    with pytest.raises(ModelUnusable, match=r"golden frame, total .*: found a difference of 0\.1"):
        open_model(three, RuntimeOptions(provider="cpu", precision=precision))
