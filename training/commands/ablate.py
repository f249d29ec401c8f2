"""Ablations: configurations that differ in one thing, trained on equal samples and scored alike; one is Table 4."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from training.commands.config_file import read_config
from training.commands.progress import RowReporter
from training.config import Config
from training.data.files import json_of, write_whole
from training.data.folders import Folders, frames_to_score, read_frames
from training.data.frames import expect_unchanged, frames_sha256
from training.engine.run import Reporter, train
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import evaluate
from training.evaluation.predictor import cached, load_predictor
from training.metrics.reliability import RAW, TEMPERATURE

_OBJECTIVE = "generator.objective"
_NO_COHERENCE, _NO_ENTROPY = f"{_OBJECTIVE}.coherence_weight=0", f"{_OBJECTIVE}.entropy_weight=0"

ABLATE = "ablate"
_SCORED = "scores.json"
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


class Row(NamedTuple):
    """A row of a table: its folder, what it is, what it changes in the configuration, and its own data where it has some."""

    name: str
    what: str
    overrides: tuple[str, ...] = ()
    data: Path | None = None


class Study(NamedTuple):
    """What the runs of a command have in common.

    Attributes:
        config: File or preset.
        overrides: Of all runs, as on the command line.
        data: Data folders; trained on `train`, scored on `val`.
        out: Gets a run folder for each.
        reporter: Told of every step.
    """

    config: Path
    overrides: Sequence[str]
    data: Sequence[Path]
    out: Path
    reporter: Reporter[Any]

    def resolved(self, *overrides: str) -> Config:
        """The configuration of a run, which changes this beside. Raises ConfigError."""
        return read_config(self.config, (*self.overrides, *overrides))


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
        rows: Of `TABLES`, or of `training.commands.variants`.
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


def train_rows(rows: Sequence[Row], study: Study) -> Iterator[dict[str, Any]]:
    """Train and score rows one after the other, each in a run folder of its name; see `ablate`.

    Raises:
        DataError: The data were changed meanwhile, so that rows would not be of the same.
    """
    configs = [study.resolved(*row.overrides) for row in rows]
    before = frames_sha256(read_frames(study.data, "all"))
    for row, resolved in zip(rows, configs, strict=True):
        own = row.data or study.data
        checkpoint = train(resolved, own, study.out / row.name, RowReporter(row.name, study.reporter))
        expect_unchanged(before, read_frames(study.data, "all"))
        yield {"what": row.what, "views": _views(resolved), **_scored_once(resolved, checkpoint, own)}


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


def _scored_once(config: Config, checkpoint: Path, data: Folders) -> dict[str, Any]:
    """The scores of a row, from the file beside its checkpoint where the same configuration was scored before, on the same frames."""
    kept = checkpoint.with_name(_SCORED)
    of = {
        "configuration_sha256": config.sha256(),
        "frames_sha256": frames_sha256(frames_to_score(data, "val", None)),
    }
    scored = json_of(kept) if kept.is_file() else {}
    if not isinstance(scored, dict) or not scored.items() >= of.items():
        text = json.dumps({**of, "scores": _scores(checkpoint, data)}, indent=2)
        expect_unchanged(of["frames_sha256"], frames_to_score(data, "val", None))
        write_whole(text + "\n", kept)
        scored = json.loads(text)
    return dict(scored["scores"])


def _scores(checkpoint: Path, data: Folders) -> dict[str, tuple[float, Sequence[float]]]:
    """Each score held out, and its interval."""
    predictor = load_predictor(checkpoint)
    once = predictor._replace(predict=cached(predictor.predict))
    fitted, _ = calibrate(once, frames_to_score(data, "val", None))
    report = evaluate(fitted, data, "val").report
    held_out, calibration, f_beta = report["cross_fitted"], report["calibration_table"], report["f_beta"]
    intervals, raw = held_out["intervals"], report["raw"]
    return {
        "F-beta": (held_out["f_beta"], intervals["f_beta"]),
        "maximal F-beta": (f_beta["maximal"], f_beta["intervals"]["maximal"]),
        "mean F-beta, raw": (raw["mean_f_beta"], raw["intervals"]["mean_f_beta"]),
        "mMSE, raw": (raw["squared_error"], raw["intervals"]["squared_error"]),
        "mMSE": (held_out["mean_squared_error"], intervals["mean_squared_error"]),
        "false alarms": (held_out["false_alarm_rate"], intervals["false_alarm_rate"]),
        "ECE as trained": (calibration[RAW]["ece"], calibration[RAW]["ece_interval"]),
        "ECE after temperature": (calibration[TEMPERATURE]["ece"], calibration[TEMPERATURE]["ece_interval"]),
    }


def _views(config: Config) -> int:
    return sum(stage.steps * stage.batch for stage in config.generator.stages)
