"""One configuration with several seeds: rows that differ in the seed alone, and what chance makes of the numbers."""

import json
from pathlib import Path

import pytest

from tests.training.commands.studies.test_ablate import ROW, SHORT
from tests.training.conftest import Notes, tiny
from training.commands.studies import study
from training.commands.studies.seeds import seeds_section, seeds_table, train_seeds
from training.commands.studies.study import Study
from training.commands.studies.table import StudyError

ROWS = [
    ROW
    | {"command": "train --seeds", "what": f"seed {seed}", "F-beta": f_beta}
    | {"seed": seed, "configuration_sha256": tiny(f"seed={seed}").sha256()}
    for seed, f_beta in ((1, (0.5, [0.4, 0.6])), (2, (0.6, [0.4, 0.7])), (3, (0.7, [0.5, 0.8])))
]


def test_the_last_row_is_mean_and_standard_deviation():
    *_, last = seeds_table(ROWS).splitlines()
    assert last.startswith("| mean ± standard deviation | | 0.450 ± 0.000 | 0.00150 ± 0.00000 | 0.600 ± 0.100 |")


def test_a_model_card_gets_the_seeds_of_a_file(tmp_path: Path):
    (tmp_path / "seeds.json").write_text(json.dumps(ROWS))
    section = seeds_section(tmp_path / "seeds.json", tiny("seed=7"))
    assert section.startswith("### Seeds\n")
    assert "with 3 seeds" in section
    assert section.endswith(seeds_table(ROWS))


def test_one_seed_has_no_spread_and_is_refused(tmp_path: Path):
    (tmp_path / "seeds.json").write_text(json.dumps(ROWS[:1]))
    with pytest.raises(StudyError, match=r"seeds\.json: found 1 rows, expected at least 2"):
        seeds_section(tmp_path / "seeds.json", tiny())


def test_seeds_of_another_configuration_are_refused(tmp_path: Path):
    (tmp_path / "seeds.json").write_text(json.dumps(ROWS))
    with pytest.raises(StudyError, match="seed 1 is of another configuration than what is to be released, smoke-tiny"):
        seeds_section(tmp_path / "seeds.json", tiny("network.dropout=0"))


@pytest.mark.slow
def test_each_seed_is_a_run_of_its_own_on_as_many_samples(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured = train_seeds(2, Study(Path("tiny"), (*SHORT, "seed=5"), [data], tmp_path, Notes()))
    assert [(row["what"], row["views"]) for row in measured] == [("seed 5", 12), ("seed 6", 12)]
    seeds = [json.loads((tmp_path / f"seed-{n}/config.json").read_text())["seed"] for n in (5, 6)]
    assert seeds == [5, 6]
    one, other = ((tmp_path / f"seed-{n}/steps.csv").read_text() for n in (5, 6))
    assert one != other
    assert (tmp_path / "seeds.md").read_text() == seeds_table(measured)
    assert "with 2 seeds" in seeds_section(tmp_path / "seeds.json", tiny(*SHORT))
    monkeypatch.setattr(study, "_scores", lambda *_: pytest.fail("scored again"))
    assert train_seeds(2, Study(Path("tiny"), (*SHORT, "seed=5"), [data], tmp_path, Notes())) == measured
