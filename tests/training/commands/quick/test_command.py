"""`quick`: one command from frames without a val to a release and a page that says whether to use it, and it goes on where it stood."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from models.manifest import Manifest, newest_release
from tests.training.conftest import Run
from training.__main__ import main
from training.commands.quick import command as quicking
from training.commands.quick.schedule import start_from
from training.config import ConfigError, Network
from training.data.files import DataError
from training.data.frames import Frame
from training.evaluation.templates import render

TINY = (
    *("--set", "generator.stages=[{steps=8,batch=2,size_px=64,whole=true}]"),
    *("--set", "workers=0"),
    *("--set", "accelerator=cpu"),
    *("--set", "data.squashed_px=[64,96]"),
)


@pytest.fixture
def without_val(data: Path, tmp_path: Path) -> Path:
    """The rendered frames, all of them train's."""
    copy = shutil.copytree(data, tmp_path / "mine")
    rows = (copy / "manifest.csv").read_text().replace(",val", ",train")
    (copy / "manifest.csv").write_text(rows)
    return copy


@pytest.mark.slow
def test_one_command_leads_from_frames_to_a_release_and_its_page(
    capsys, without_val, tiny_run: Run, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    command = ["quick", without_val, "--model", tiny_run.checkpoint, "--out", out, "--set", "data.decoys=0", *TINY]
    assert main([str(part) for part in command]) == 0
    told = capsys.readouterr().out
    with (out / "split/manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["split"] for row in rows} == {"train", "val"}
    assert not {row["group"] for row in rows if row["split"] == "val"} & {
        r["group"] for r in rows if r["split"] == "train"
    }
    found = json.loads((out / "verdict.json").read_text())
    manifest = Manifest.read(Path(found["release"]))
    manifest.verify(Path(found["release"]))
    reports = {side: json.loads((out / side / "report.json").read_text()) for side in ("before", "after")}
    assert manifest.threshold == reports["after"]["threshold"]
    assert asdict(manifest.close_ups) == reports["after"]["close_ups"]
    for side in reports:
        assert found["differences"]["f_beta"][side] == pytest.approx(reports[side]["cross_fitted"]["f_beta"])
    assert quicking.WORDS[found["verdict"]].format(start="last.ckpt") in told
    page = (out / "index.html").read_text()
    assert ("Do not use it" in page) == (found["verdict"] == "worse") == ("serve it:" not in told)
    assert page.count("data:image/png;base64,") == 4
    monkeypatch.setattr(quicking, "export", lambda *_: pytest.fail("exported again"))
    monkeypatch.setattr(quicking, "evaluate", lambda *_: pytest.fail("scored again"))
    monkeypatch.setattr(quicking, "audit", lambda *_: pytest.fail("audited again"))
    steps = (out / "run/steps.csv").read_text()
    assert main([str(part) for part in command]) == 0
    assert (out / "run/steps.csv").read_text() == steps
    assert json.loads((out / "verdict.json").read_text()) == found
    assert main([str(part) for part in (*command, "--minutes", "5")]) == 2
    assert "begun with minutes 60.0, found 5.0" in capsys.readouterr().err
    with (without_val / "manifest.csv").open("a") as stream:
        stream.write("img/cam-a-0.png,,clear,cam-e,train\n")
    assert main([str(part) for part in command]) == 2
    assert "quick.json: begun with frames_sha256 " in capsys.readouterr().err


def test_a_val_of_one_camera_is_refused_before_anything_is_taught(capsys, data, tiny_run: Run, tmp_path):
    copy = shutil.copytree(data, tmp_path / "mine")
    rows = (copy / "manifest.csv").read_text().splitlines()
    (copy / "manifest.csv").write_text("\n".join(row for row in rows if "cam-d" not in row) + "\n")
    command = ["quick", copy, "--model", tiny_run.checkpoint, "--out", tmp_path / "out", *TINY]
    assert main([str(part) for part in command]) == 2
    assert "split 'val' has smoke frames of 1 camera groups" in capsys.readouterr().err
    assert not (tmp_path / "out/run").exists()


@pytest.mark.parametrize("smoke_free", [0, 2])
def test_the_page_says_where_nothing_is_known_of_false_alarms(smoke_free):
    result = {
        "verdict": "better",
        "differences": {"f_beta": {"before": 0.5, "after": 0.7, "difference": 0.2, "interval": [0.1, 0.3]}},
        "frames": 9 + smoke_free,
        "smoke_frames": 9,
        "because": ["f_beta"],
        "groups": 4,
        "serve": "smoke-bvm serve",
    }
    values = {"result": result, "start": "old", "views": 8, "split": True, "sheets": {}}
    page = render(Path(quicking.__file__).with_name("page.html.jinja"), values)
    assert ("of false alarms nothing is known" in page) == (smoke_free == 0)


def frame(kind: str) -> Frame:
    return Frame(Path("a.png"), None, kind, "cam")


def test_a_release_says_its_networks_and_the_frames_what_views_there_are():
    config = start_from(newest_release(), (), [frame("real_smoke"), frame("hard_negative")])
    told = Manifest.read(newest_release()).provenance["configuration"]["network"]
    assert config.network == Network.model_validate(told)
    assert config.network.encoder == told["encoder"]
    assert set(config.data.mix) == {"real_smoke", "hard_negative", "transplanted", "rendered"}
    assert set(start_from(newest_release(), (), [frame("real_smoke")]).data.mix) == {"real_smoke", "transplanted"}


def test_frames_without_any_smoke_are_refused():
    with pytest.raises(DataError, match="train has frames of clear, expected some with smoke"):
        start_from(newest_release(), (), [frame("clear")])


def test_a_key_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="nonsense"):
        start_from(newest_release(), ("nonsense=1",), [frame("real_smoke")])
