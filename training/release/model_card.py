"""The model card: what a release is for, what it was made from, what was measured, and where it ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.config import Config
from training.evaluation.report import markdown
from training.evaluation.templates import render


def model_card(
    release: str,
    config: Config,
    threshold: float,
    parity: Mapping[str, float],
    report: Mapping[str, Any],
    remark: str = "",
) -> str:
    """Markdown in the form people know: use, data, recipe, numbers, limits; `remark` ends the recipe."""
    stages = config.generator.stages
    values = {
        "release": release,
        "config": config,
        "threshold": threshold,
        "steps": sum(stage.steps for stage in stages),
        "views": sum(stage.steps * stage.batch for stage in stages),
        "estimator_steps": sum(stage.steps for stage in config.estimator.stages),
        "parity": parity,
        "remark": remark,
        "folds": report.get("folds"),
        "close_ups": report.get("close_ups"),
        "measured": _below_a_heading(markdown(report)) if report else "",
    }
    return render(Path(__file__).with_name("model_card.md.jinja"), values)


def _below_a_heading(text: str) -> str:
    """The same Markdown with each heading two levels lower, to stand below a heading of its own."""
    return "".join(f"##{line}" if line.startswith("#") else line for line in text.splitlines(keepends=True))
