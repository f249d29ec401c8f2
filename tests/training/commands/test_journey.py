"""The commands after each other: train, evaluate, export, and evaluate what was exported."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.close_ups import CloseUps
from models.manifest import OUTPUTS, Manifest
from training.__main__ import main
from training.config import parse_config
from training.data.folders import read_frames
from training.data.frames import load_image
from training.evaluation.predictor import calibrated, load_predictor
from training.metrics.calibration import Calibration

SHORT = (
    *("--set", "generator.stages=[{steps=3,batch=2,size_px=64}]"),
    *("--set", "estimator.stages=[{steps=2,batch=2,size_px=64}]"),
)
ABLATED = {"command": "ablate", "what": "without sky", "views": 12} | {
    score: (0.5, [0.4, 0.6])
    for score in (
        "mean F-beta, raw",
        "mMSE, raw",
        "F-beta",
        "maximal F-beta",
        "mMSE",
        "false alarms",
        "ECE as trained",
        "ECE after temperature",
    )
}


@dataclass(frozen=True)
class Journey:
    """A run and its release, what was told on the way, and the reports: of the checkpoint, of the release, of it without close-ups."""

    run: Path
    release: Path
    told: str
    first: dict[str, Any]
    again: dict[str, Any]
    again_in_words: str
    whole: dict[str, Any]

    @property
    def manifest(self) -> Manifest:
        return Manifest.read(self.release)


@pytest.fixture(scope="module")
def journey(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    out = tmp_path_factory.mktemp("journey")
    (out / "ablation.json").write_text(json.dumps([ABLATED]))
    checkpoint, first, again, whole = (out / name for name in ("run/last.ckpt", "first", "again", "whole"))
    release = out / "released/smoke-tiny-0.2.0"
    card = ("--remark", "Stopped twice.", "--ablation", out / "ablation.json")
    with redirect_stdout(io.StringIO()) as told:
        for command in (
            ("train", "tiny", "--data", data, "--out", out / "run", *SHORT),
            ("evaluate", checkpoint, "--data", data, "--out", first, "--samples", 5),
            (
                "export",
                checkpoint,
                "--version",
                "0.2.0",
                "--evaluation",
                first / "report.json",
                "--out",
                release.parent,
                *card,
            ),
            ("evaluate", release, "--data", data, "--out", again, "--beside", first / "report.json"),
            ("evaluate", release, "--data", data, "--out", whole, "--no-close-ups"),
        ):
            assert main([str(argument) for argument in command]) == 0
    reports = [json.loads((folder / "report.json").read_text()) for folder in (first, again, whole)]
    words = (again / "report.md").read_text()
    return Journey(out / "run", release, told.getvalue(), reports[0], reports[1], words, reports[2])


def test_the_scores_and_the_release_are_told(journey: Journey):
    assert "val F-beta" in journey.told
    assert "smoke-tiny-0.2.0" in journey.told


def test_the_card_holds_remark_and_ablation_before_what_was_measured(journey: Journey):
    card = (journey.release / "MODEL_CARD.md").read_text()
    assert card.index("Stopped twice.") < card.index("| without sky | 12 |") < card.index("## Measured")


def test_the_release_promises_what_the_report_says(journey: Journey):
    manifest, first = journey.manifest, journey.first
    manifest.verify(journey.release)
    assert manifest.threshold == first["threshold"]
    assert manifest.numbers["at_threshold"] == first["at_threshold"]
    assert asdict(manifest.close_ups) == first["close_ups"] == asdict(CloseUps())
    assert manifest.minimum_region == first["minimum_region"] == 0.0001
    assert set(manifest.reference) == {"brightness", "contrast", "epistemic", "novelty"}
    resolved = json.loads((journey.run / "config.json").read_text())
    assert manifest.provenance["configuration_sha256"] == parse_config(resolved, "config.json").sha256()


def test_the_release_is_scored_as_the_checkpoint_was(journey: Journey):
    first, again = journey.first, journey.again
    assert [again[key] for key in ("threshold", "close_ups", "minimum_region")] == [
        first[key] for key in ("threshold", "close_ups", "minimum_region")
    ]
    assert again["calibration_table"]["raw"]["ece"] == pytest.approx(first["calibration_table"]["raw"]["ece"], abs=0.01)
    error = again["at_threshold"]["mean_squared_error"]
    assert error == pytest.approx(first["at_threshold"]["mean_squared_error"], abs=1e-4)


def test_samples_the_report_beside_and_no_close_ups_are_in_the_reports(journey: Journey):
    assert journey.first["sampling_free"]["nested"]["latents"] == 5
    assert journey.again["beside"]["calibration_table"] == journey.first["calibration_table"]
    assert "without L_c (checkpoint last.ckpt): raw" in journey.again_in_words
    assert journey.whole["close_ups"] is None


def test_torch_and_onnxruntime_answer_alike(journey: Journey, data: Path):
    calibration = Calibration(**journey.first["calibration"])
    by_torch = calibrated(load_predictor(journey.run / "last.ckpt").predict, calibration)
    by_onnxruntime = load_predictor(journey.release).predict
    for frame in read_frames(data, "val")[:3]:
        square = np.ascontiguousarray(load_image(frame.image)[:64, :64])
        for name, one, other in zip(OUTPUTS, by_torch(square).maps, by_onnxruntime(square).maps, strict=True):
            assert np.abs(one - other).max() <= 1e-4, name
