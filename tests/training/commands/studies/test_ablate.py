"""Ablations: runs that differ in one thing, on equal samples, scored alike."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import Notes
from training.commands.config_file import read_config
from training.commands.studies import study
from training.commands.studies.ablate import TABLES, ablate, card_section
from training.commands.studies.study import Study
from training.commands.studies.table import StudyError, scores_table
from training.config import ConfigError
from training.data.files import DataError

SHORT = (
    "generator.stages=[{steps=6,batch=2,size_px=64}]",
    "estimator.stages=[]",
    "generator.objective.entropy_from_step=3",
)


@pytest.mark.slow
def test_four_rows_are_trained_on_equal_samples_and_scored(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    notes = Notes()
    measured = ablate(TABLES["paper"], Study(Path("tiny"), SHORT, [data], tmp_path, notes))
    assert [row["what"] for row in measured] == [row.what for row in TABLES["paper"]]
    assert {row["views"] for row in measured} == {12}
    assert json.loads((tmp_path / "ablation.json").read_text()) == json.loads(json.dumps(measured))
    assert (tmp_path / "ablation.md").read_text() == scores_table(measured)
    per_row = [set().union(*(numbers for _, _, numbers in notes.steps[start : start + 6])) for start in (0, 6, 12, 18)]
    assert [("coherence" in terms, "entropy" in terms) for terms in per_row] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]
    again = Notes()
    monkeypatch.setattr(study, "_scores", lambda *_: pytest.fail("scored again"))
    assert ablate(TABLES["paper"], Study(Path("tiny"), SHORT, [data], tmp_path, again)) == measured
    assert again.steps == []


def test_scores_that_are_no_json_are_refused_by_their_name(data: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "scores.json").write_text("{")
    monkeypatch.setattr(study, "train", lambda *_: tmp_path / "last.ckpt")
    with pytest.raises(DataError, match=r"scores\.json: no JSON"):
        ablate(TABLES["paper"], Study(Path("tiny"), SHORT, [data], tmp_path / "out", Notes()))


def test_rows_of_data_that_were_changed_meanwhile_are_not_compared(data: Path, tmp_path: Path, monkeypatch):
    copy = shutil.copytree(data, tmp_path / "data")

    def train_and_lose_a_frame(*_: object) -> Path:
        listed = (copy / "manifest.csv").read_text().splitlines(keepends=True)
        (copy / "manifest.csv").write_text("".join(row for row in listed if "cam-a-1" not in row))
        return tmp_path / "last.ckpt"

    monkeypatch.setattr(study, "train", train_and_lose_a_frame)
    monkeypatch.setattr(study, "_scores", lambda *_: pytest.fail("scored"))
    with pytest.raises(DataError, match=r"manifest\.csv: found other frames than at the beginning"):
        ablate(TABLES["paper"], Study(Path("tiny"), SHORT, [copy], tmp_path / "out", Notes()))


def test_scores_of_frames_that_were_changed_meanwhile_are_not_kept(data: Path, tmp_path: Path, monkeypatch):
    copy = shutil.copytree(data, tmp_path / "data")

    def score_and_grow_a_mask(*_: object) -> dict[str, object]:
        with (copy / "gt/cam-c-0.png").open("ab") as stream:
            stream.write(b"more")
        return {}

    monkeypatch.setattr(study, "train", lambda *_: tmp_path / "last.ckpt")
    monkeypatch.setattr(study, "_scores", score_and_grow_a_mask)
    with pytest.raises(DataError, match="found other frames than at the beginning"):
        ablate(TABLES["paper"], Study(Path("tiny"), SHORT, [copy], tmp_path / "out", Notes()))
    assert not (tmp_path / "scores.json").exists()


def test_a_row_of_the_papers_table_differs_from_the_next_in_the_objective_alone():
    configs = [read_config(Path("embedded"), row.overrides).model_dump() for row in TABLES["paper"]]
    for config in configs:
        del config["generator"]["objective"]
    assert all(config == configs[0] for config in configs)


def test_a_configuration_that_is_none_is_refused_before_anything_is_trained(tmp_path: Path):
    with pytest.raises(ConfigError, match="nonsense"):
        ablate(TABLES["paper"], Study(Path("tiny"), ("network.nonsense=1",), [tmp_path], tmp_path / "out", Notes()))
    assert not (tmp_path / "out").exists()


def test_a_row_of_the_recipes_table_differs_from_the_recipe_in_what_it_names():
    first, *others = [_leaves(read_config(Path("embedded"), row.overrides).model_dump()) for row in TABLES["recipe"]]
    assert first == _leaves(read_config(Path("embedded")).model_dump())
    changed = [{key for key in first if first[key] != other[key]} for other in others]
    assert changed == [
        {"network.decoder_stride"},
        {"generator.objective.coherence_weight"},
        {"generator.objective.entropy_weight"},
        {"data.mix.synthetic"},
        {"network.encoder"},
        {"data.mix.transplanted"},
        {"data.decoys"},
        {"generator.objective.pool_px", "generator.objective.missed_cost"},
    ]


ROW = {
    "command": "ablate",
    "what": "L_bnn",
    "views": 12000,
    "mean F-beta, raw": (0.45, [0.4, 0.5]),
    "mMSE, raw": (0.0015, [0.001, 0.002]),
    "F-beta": (0.5, [0.4, 0.6]),
    "maximal F-beta": (0.6, [0.5, 0.7]),
    "mMSE": (0.00123, [0.001, 0.002]),
    "false alarms": (0.05, [0.0, 0.1]),
    "ECE as trained": (0.01, [0.009, 0.011]),
    "ECE after temperature": (0.001, [0.0, 0.002]),
}
LINE = (
    "| L_bnn | 12,000 | 0.450 [0.400, 0.500] | 0.00150 [0.00100, 0.00200] "
    "| 0.500 [0.400, 0.600] | 0.600 [0.500, 0.700] | 0.00123 [0.00100, 0.00200] | 0.050 [0.000, 0.100] "
    "| 0.0100 [0.0090, 0.0110] | 0.0010 [0.0000, 0.0020] |"
)


def test_the_table_has_a_line_per_row():
    assert scores_table([ROW]).splitlines()[2] == LINE


def test_a_model_card_gets_the_table_of_a_file(tmp_path: Path):
    (tmp_path / "ablation.json").write_text(json.dumps([ROW]))
    section = card_section(tmp_path / "ablation.json")
    assert section.startswith("### Ablation\n")
    assert LINE in section.splitlines()


@pytest.mark.parametrize("command", ["train --seeds", "compare", None])
def test_rows_of_another_command_are_refused(tmp_path: Path, command: str | None):
    (tmp_path / "ablation.json").write_text(json.dumps([ROW | {"command": command}]))
    with pytest.raises(
        StudyError, match="found rows of another command, or of an earlier version; expected those of `ablate`"
    ):
        card_section(tmp_path / "ablation.json")


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"what": "L_bnn", "views": 3}]', '[{"views": "many"}]'])
def test_a_file_without_rows_is_refused_by_its_name(tmp_path: Path, text: str):
    (tmp_path / "ablation.json").write_text(text)
    with pytest.raises(StudyError, match=r"ablation\.json: no ablation\.json of `ablate`"):
        card_section(tmp_path / "ablation.json")


def _leaves(section: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """The values of a nested mapping by dotted key."""
    leaves: dict[str, object] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            leaves |= _leaves(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
