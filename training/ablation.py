"""The paper's Table 4: four configurations that differ in the objective alone, trained on equal samples and scored alike."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from training.calibrate import calibrate
from training.config import Config, read_config
from training.evaluate import evaluate, frames_to_score
from training.prediction import load_deployed
from training.reliability import RAW, TEMPERATURE
from training.train import Reporter, train

_OBJECTIVE = "generator.objective"


class Row(NamedTuple):
    """A row of Table 4: its folder, its losses, and what it changes in the configuration."""

    name: str
    losses: str
    overrides: tuple[str, ...]


ROWS = (
    Row("1-structure", "L_bnn", (f"{_OBJECTIVE}.coherence_weight=0", f"{_OBJECTIVE}.entropy_weight=0")),
    Row("2-coherence", "L_bnn + L_trans", (f"{_OBJECTIVE}.entropy_weight=0",)),
    Row("3-entropy", "L_bnn + L_trans + L_en", (f"{_OBJECTIVE}.entropy=plain",)),
    Row("4-calibrated", "L_bnn + L_trans + L_c", (f"{_OBJECTIVE}.entropy=calibrated",)),
)


def ablate(config: Path, overrides: Sequence[str], data: Path, out: Path, reporter: Reporter) -> list[dict[str, Any]]:
    """Train and score the four rows; those that are done already are not trained again.

    Args:
        config: File or preset, with all losses on.
        overrides: Of all rows, as on the command line.
        data: Data folder; trained on `train`, scored on `val`.
        out: Gets a run folder per row, `ablation.json` and `ablation.md`.
        reporter: Told of every step.

    Returns:
        Per row: losses, views, and scores as in `Measured`.

    Raises:
        ConfigError: A row is no valid configuration, before anything is trained.
    """
    configs = [read_config(config, (*overrides, *row.overrides)) for row in ROWS]
    measured = []
    for row, resolved in zip(ROWS, configs, strict=True):
        checkpoint = train(resolved, data, out / row.name, reporter)
        measured.append({"losses": row.losses, "views": _views(resolved), **_scores(checkpoint, data)})
    (out / "ablation.json").write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    (out / "ablation.md").write_text(table(measured), encoding="utf-8")
    return measured


def table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown. ECE is that of the probability as trained, since L_c is to calibrate it."""
    lines = [
        "| | losses | views | mMSE | F-beta | maximal F-beta | ECE as trained | ECE after temperature |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, row in enumerate(measured, start=1):
        lines.append(
            f"| {number} | {row['losses']} | {row['views']:,} | {row['mean_squared_error']:.5f} | {row['f_beta']:.3f} "
            f"| {row['maximal_f_beta']:.3f} | {row['ece_as_trained']:.4f} | {row['ece_calibrated']:.4f} |"
        )
    return "\n".join(lines) + "\n"


def _scores(checkpoint: Path, data: Path) -> dict[str, float]:
    deployed, _ = calibrate(load_deployed(checkpoint), frames_to_score(data, "val", None))
    report = evaluate(deployed, data, "val").report
    calibration = report["calibration_table"]
    return {
        "mean_squared_error": report["cross_fitted"]["mean_squared_error"],
        "f_beta": report["cross_fitted"]["f_beta"],
        "maximal_f_beta": report["f_beta"]["maximal"],
        "ece_as_trained": calibration[RAW]["ece"],
        "ece_calibrated": calibration[TEMPERATURE]["ece"],
    }


def _views(config: Config) -> int:
    return sum(stage.steps * stage.batch for stage in config.generator.stages)
