"""What is left out of training is not trained on, what is doubtful is not measured, and the AUROC is that of known means."""

import csv
from pathlib import Path

import pytest

from tests.performance import unseen_kinds
from tests.performance.unseen_kinds import KINDS, Doubt, main, ranked, without
from tests.training.rendered import write_data_folder
from training.engine import run


def listed(name: str) -> list[str]:
    return (Path(unseen_kinds.__file__).parent / "kinds" / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def data(tmp_path: Path, monkeypatch) -> Path:
    """Rendered frames, of which one of train and two of val are «odd», and another of each may be."""
    lists = tmp_path / "kinds"
    lists.mkdir()
    (lists / "odd.txt").write_text("img/cam-a-5.png\nimg/cam-c-4.png\nimg/cam-c-5.png\n")
    (lists / "odd-unsure.txt").write_text("img/cam-a-4.png\nimg/cam-d-5.png\n")
    monkeypatch.setattr(unseen_kinds, "_LISTS", lists)
    return write_data_folder(tmp_path / "data")


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_is_listed_twice_or_both_surely_and_unsurely(kind):
    names = listed(kind) + listed(f"{kind}-unsure")
    assert len(listed(kind)) > 20
    assert len(set(names)) == len(names)


def test_what_is_unsure_is_neither_of_the_kind_nor_of_the_others(data):
    found = without("odd", data)
    assert [frame.image.name for frame in found.kind] == ["cam-a-5.png", "cam-c-4.png", "cam-c-5.png"]
    assert [frame.image.name for frame in found.kind_val] == ["cam-c-4.png", "cam-c-5.png"]
    assert {frame.group for frame in found.train} == {"cam-a", "cam-b"}
    assert (len(found.train), len(found.val)) == (12 - 2, 12 - 3)


def test_the_auroc_is_the_share_of_pairs_in_which_the_unseen_frame_is_doubted_more():
    unseen = [Doubt("a", True, 0.9, 0.3, 0.1), Doubt("b", True, 0.9, 0.2, 0.1)]
    seen = [Doubt("c", False, 0.9, 0.25, 0.2), Doubt("d", True, 0.9, 0.1, 0.2)]
    assert ranked(unseen, seen, "epistemic")[0] == 0.75
    assert ranked(unseen, seen, "total") == (0.0, [0.0, 0.0])


def test_a_kind_is_left_out_trained_without_and_measured_and_a_second_time_not_trained_again(
    data, release, tmp_path, monkeypatch, capsys
):
    asked = ["tiny", "--data", str(data), "--out", str(tmp_path / "out"), "--kinds", "odd", "--beside", str(release)]
    short = ["generator.stages=[{steps=2,batch=2,size_px=64}]", "estimator.stages=[{steps=1,batch=2,size_px=64}]"]
    # What is replaced by the kind's name is where another run without it lies.
    asked += [part for each in (*short, "name=without-{kind}") for part in ("--set", each)]
    assert main(asked) == 0
    table = capsys.readouterr().out
    assert [line.split(" | ")[1:4] for line in table.splitlines()[2:]] == [
        ["trained without it", "3", "9"],
        ["the same, others alike as to smoke", "3", "1"],
        ["the same, on val alone", "2", "9"],
        ["smoke-test-0.0.1, on val alone", "2", "9"],
    ]
    with (tmp_path / "out/data-without-odd/manifest.csv").open(encoding="utf-8") as stream:
        learnt = {Path(line["file"]).name for line in csv.DictReader(stream)}
    assert len(learnt) == 10
    assert not learnt & {"cam-a-4.png", "cam-a-5.png"}
    assert '"name": "without-odd"' in (tmp_path / "out/without-odd/config.json").read_text()
    monkeypatch.setattr(run.Learner, "step", None)
    assert main(asked) == 0
    assert capsys.readouterr().out == table == (tmp_path / "out/kinds.md").read_text()
