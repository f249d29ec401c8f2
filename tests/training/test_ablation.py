"""Table 4: four runs that differ in the objective alone, on equal samples, scored alike."""

import json
from pathlib import Path

import pytest

from tests.training.conftest import Notes
from training.ablation import ROWS, ablate, table
from training.config import ConfigError, read_config

SHORT = (
    "generator.stages=[{steps=6,batch=2,size_px=64}]",
    "estimator.stages=[]",
    "generator.objective.entropy_from_step=3",
)


@pytest.mark.slow
def test_four_rows_are_trained_on_equal_samples_and_scored(data: Path, tmp_path: Path):
    notes = Notes()
    measured = ablate(Path("tiny"), SHORT, data, tmp_path, notes)
    assert [row["losses"] for row in measured] == [row.losses for row in ROWS]
    assert {row["views"] for row in measured} == {12}
    assert json.loads((tmp_path / "ablation.json").read_text()) == measured
    assert (tmp_path / "ablation.md").read_text() == table(measured)
    per_row = [set().union(*(numbers for _, _, numbers in notes.steps[start : start + 6])) for start in (0, 6, 12, 18)]
    assert [("coherence" in terms, "entropy" in terms) for terms in per_row] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]
    again = Notes()
    assert ablate(Path("tiny"), SHORT, data, tmp_path, again) == measured
    assert again.steps == []


def test_a_row_differs_from_the_next_in_the_objective_alone():
    configs = [read_config(Path("embedded"), row.overrides).model_dump() for row in ROWS]
    for config in configs:
        del config["generator"]["objective"]
    assert all(config == configs[0] for config in configs)


def test_a_configuration_that_is_none_is_refused_before_anything_is_trained(tmp_path: Path):
    with pytest.raises(ConfigError, match="nonsense"):
        ablate(Path("tiny"), ("network.nonsense=1",), tmp_path, tmp_path / "out", Notes())
    assert not (tmp_path / "out").exists()


def test_the_table_has_a_line_per_row():
    row = {
        "losses": "L_bnn",
        "views": 12000,
        "mean_squared_error": 0.00123,
        "f_beta": 0.5,
        "maximal_f_beta": 0.6,
        "ece_as_trained": 0.01,
        "ece_calibrated": 0.001,
    }
    assert table([row]).splitlines()[2] == "| 1 | L_bnn | 12,000 | 0.00123 | 0.500 | 0.600 | 0.0100 | 0.0010 |"
