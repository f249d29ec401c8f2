"""Ablations: configurations that differ in one thing, trained on equal samples and scored alike; one is Table 4."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.commands.studies.study import Row, Study, train_rows
from training.data.files import write_whole

_OBJECTIVE = "generator.objective"
_NO_COHERENCE, _NO_ENTROPY = f"{_OBJECTIVE}.coherence_weight=0", f"{_OBJECTIVE}.entropy_weight=0"

ABLATE = "ablate"
SHOWN_SCORES = {
    "mean F-beta, raw": 3,
    "mMSE, raw": 5,
    "F-beta": 3,
    "maximal F-beta": 3,
    "mMSE": 5,
    "false alarms": 3,
    "ECE as trained": 4,
    "ECE after temperature": 4,
}
"""What is shown of a row, each with its decimals."""


class AblationError(ValueError):
    """A table cannot be made as it is asked for, or a file has no rows of `ablate`; the message says why."""


TABLES: Mapping[str, tuple[Row, ...]] = {
    "paper": (
        Row("1-structure", "L_bnn", (_NO_COHERENCE, _NO_ENTROPY)),
        Row("2-coherence", "L_bnn + L_trans", (_NO_ENTROPY,)),
        Row("3-entropy", "L_bnn + L_trans + L_en", (f"{_OBJECTIVE}.entropy=plain",)),
        Row("4-calibrated", "L_bnn + L_trans + L_c", (f"{_OBJECTIVE}.entropy=calibrated",)),
    ),
    "recipe": (
        Row("1-as-it-is", "as it is: lite2, stride 4"),
        Row("2-stride-8", "decoder at stride 8", ("network.decoder_stride=8",)),
        Row("3-no-coherence", "without L_trans", (_NO_COHERENCE,)),
        Row("4-no-entropy", "without L_c", (_NO_ENTROPY,)),
        Row("5-no-synthetic", "without smoke5k_synthetic", ("data.mix.synthetic=0",)),
        Row("6-lite0", "encoder lite0", ("network.encoder=tf_efficientnet_lite0",)),
        Row("7-no-transplanted", "without transplanted smoke", ("data.mix.transplanted=0",)),
        Row("8-no-decoys", "without decoys", ("data.decoys=0",)),
        Row("9-eq-4", "eq. 4 as published", (f"{_OBJECTIVE}.pool_px=31", f"{_OBJECTIVE}.missed_cost=1")),
    ),
}
"""`paper`: Table 4, more and more of eq. 11. `recipe`: `embedded` less one thing at a time."""


def ablate(rows: Sequence[Row], study: Study) -> list[dict[str, Any]]:
    """Train and score the rows of a table; those that are done already are neither trained nor scored again.

    Args:
        rows: Of `TABLES`, or of `training.commands.studies.variants`.
        study: Its configuration has all losses on; its folder gets `ablation.json` and `ablation.md`.

    Returns:
        Per row: what it is, views, and scores with their intervals; see `ablation_table`.

    Raises:
        ConfigError: A row is no valid configuration, before anything is trained.
    """
    measured = []
    for row in train_rows(rows, study):
        measured.append({"command": ABLATE, **row})
        write_whole(json.dumps(measured, indent=2) + "\n", study.out / "ablation.json")
        write_whole(ablation_table(measured), study.out / "ablation.md")
    return measured


def ablation_table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown, each score with its 95 % interval; ECE as trained too, since L_c is to calibrate that.

    Below them, of what there are several rows of, such as seeds, mean and spread.
    """
    scores = list(SHOWN_SCORES)
    lines = [
        f"| | views | {' | '.join(scores)} |",
        f"| --- | --- |{' --- |' * len(scores)}",
    ]
    lines += [
        f"| {row['what']} | {row['views']:,} | {' | '.join(score_cell(row[name], SHOWN_SCORES[name]) for name in scores)} |"
        for row in measured
    ]
    several = [what for what, count in Counter(row["what"] for row in measured).items() if count > 1]
    lines += [mean_line(f"{what}: ", [row for row in measured if row["what"] == what]) for what in several]
    return "\n".join(lines) + "\n"


def mean_line(of: str, measured: Sequence[dict[str, Any]]) -> str:
    """Mean and standard deviation (n - 1) of each score over two rows or more, as a row in Markdown."""
    cells = []
    for name, decimals in SHOWN_SCORES.items():
        values = [float(row[name][0]) for row in measured]
        cells.append(f"{statistics.mean(values):.{decimals}f} ± {statistics.stdev(values):.{decimals}f}")
    return f"| {of}mean ± standard deviation | | {' | '.join(cells)} |"


def card_section(path: Path) -> str:
    """The rows of an `ablation.json` in Markdown, with a heading, as they stand in a model card.

    Raises:
        AblationError: The file holds no such rows.
        OSError: It cannot be read.
    """
    rows = ablation_table(read_measured(path, ABLATE))
    return f"""### Ablation
One thing at a time left out or changed. Each row is a run of its own from the same start, on as many views as it says, scored held out
on `val`; in brackets the 95 % interval over camera groups. Short runs, to be compared with each other and not with the release.

{rows}"""


def read_measured(path: Path, command: str, fewest: int = 1) -> list[dict[str, Any]]:
    """The rows that a command left in a file. Raises AblationError where it holds none, or fewer than are needed."""
    try:
        measured: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        ablation_table(measured)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise AblationError(f"{path}: no {path.name} of `{command}`: {error!r}") from error
    if not measured:
        raise AblationError(f"{path}: no {path.name} of `{command}`: it has no rows")
    if any(row.get("command") != command for row in measured):
        raise AblationError(
            f"{path}: found rows of another command, or of an earlier version; expected those of `{command}`, which writes them anew "
            "without training again"
        )
    if len(measured) < fewest:
        raise AblationError(f"{path}: found {len(measured)} rows, expected at least {fewest}")
    return measured


def score_cell(score: tuple[float, Sequence[float]], decimals: int) -> str:
    """A score with its interval."""
    value, (low, high) = score
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
