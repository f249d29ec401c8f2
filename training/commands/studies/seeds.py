"""One configuration with several seeds: what of its numbers is chance, as mean and spread."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.commands.studies.study import Row, Study, train_rows
from training.commands.studies.table import StudyError, mean_line, read_measured, scores_table
from training.config import Config
from training.data.files import write_whole

SEEDS = "train --seeds"
_FEWEST = 2


def train_seeds(count: int, study: Study) -> list[dict[str, Any]]:
    """Train and score a configuration with so many seeds, from its own on; those that are done already are not done again.

    Args:
        count: At least 2.
        study: Its folder gets `seeds.json` and `seeds.md`.

    Returns:
        A row per seed, as of `ablate`.
    """
    first = study.resolved().seed
    rows = [Row(f"seed-{seed}", f"seed {seed}", (f"seed={seed}",)) for seed in range(first, first + count)]
    configs = [study.resolved(*row.overrides) for row in rows]
    measured = [
        {"command": SEEDS, "seed": own.seed, "configuration_sha256": own.sha256(), **row}
        for own, row in zip(configs, train_rows(rows, study), strict=True)
    ]
    write_whole(json.dumps(measured, indent=2) + "\n", study.out / "seeds.json")
    write_whole(seeds_table(measured), study.out / "seeds.md")
    return measured


def seeds_table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown, and below them mean and standard deviation (n - 1) over the seeds. Needs two rows."""
    return f"{scores_table(measured)}{mean_line('', measured)}\n"


def seeds_section(path: Path, config: Config) -> str:
    """The rows of a `seeds.json` in Markdown, with a heading, as they stand in the model card of a configuration.

    Raises:
        StudyError: The file holds no such rows, or they are of a configuration that differs in more than its seed.
        OSError: It cannot be read.
    """
    measured = read_measured(path, SEEDS, _FEWEST)
    for row in measured:
        if config.model_copy(update={"seed": row.get("seed")}).sha256() != row.get("configuration_sha256"):
            raise StudyError(
                f"{path}: {row['what']} is of another configuration than what is to be released, {config.name}; expected one that "
                "differs in its seed alone"
            )
    return f"""### Seeds
The same configuration, data and samples with {len(measured)} seeds, scored held out on `val`; in brackets the 95 % interval over camera
groups, in the last row what the seed alone changes.

{seeds_table(measured)}"""
