"""Ablations: configurations that differ in one thing, trained on equal samples and scored alike; one is Table 4."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.commands.studies.study import Row, Study, train_rows
from training.commands.studies.table import read_measured, scores_table
from training.data.files import write_whole

_OBJECTIVE = "generator.objective"
_NO_COHERENCE, _NO_ENTROPY = f"{_OBJECTIVE}.coherence_weight=0", f"{_OBJECTIVE}.entropy_weight=0"

ABLATE = "ablate"

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
        Per row: what it is, views, and scores with their intervals; see `scores_table`.

    Raises:
        ConfigError: A row is no valid configuration, before anything is trained.
    """
    measured = []
    for row in train_rows(rows, study):
        measured.append({"command": ABLATE, **row})
        write_whole(json.dumps(measured, indent=2) + "\n", study.out / "ablation.json")
        write_whole(scores_table(measured), study.out / "ablation.md")
    return measured


def card_section(path: Path) -> str:
    """The rows of an `ablation.json` in Markdown, with a heading, as they stand in a model card.

    Raises:
        StudyError: The file holds no such rows.
        OSError: It cannot be read.
    """
    rows = scores_table(read_measured(path, ABLATE))
    return f"""### Ablation
One thing at a time left out or changed. Each row is a run of its own from the same start, on as many views as it says, scored held out
on `val`; in brackets the 95 % interval over camera groups. Short runs, to be compared with each other and not with the release.

{rows}"""
