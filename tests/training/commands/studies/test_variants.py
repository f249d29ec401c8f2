"""Tables whose rows differ in their data: weak labels of the same frames, and halves of the frames."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.geometry import Box
from tests.training.conftest import Run, tiny
from training.__main__ import main
from training.commands.config_file import read_config
from training.commands.rank import score_files
from training.commands.studies import variants
from training.commands.studies.table import StudyError, scores_table
from training.commands.studies.variants import half_rows, label_rows
from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import read_frames
from training.data.frames import load_image, load_mask, read_scribble
from training.evaluation.predictor import load_predictor
from training.synthesis.weak_labels import boxes_around

SHORT = (
    *("--set", "generator.stages=[{steps=2,batch=2,size_px=64}]"),
    *("--set", "estimator.stages=[]", "--set", "generator.objective.entropy_from_step=1"),
)


def names(folder: Path, split: str) -> list[str]:
    return sorted(frame.image.name for frame in read_frames(folder, split))  # type: ignore[arg-type]


def test_boxes_hold_each_piece_of_a_mask_the_largest_first():
    mask = np.zeros((20, 30), np.float32)
    mask[2:5, 4:6] = mask[10:16, 8:20] = 1.0
    assert boxes_around(mask) == (Box(8, 10, 12, 6), Box(4, 2, 2, 3))


def test_weak_labels_are_of_the_same_frames_and_say_what_their_masks_say(data: Path, tmp_path: Path):
    rows = label_rows(tiny(), data, tmp_path)
    assert [row.what for row in rows] == ["masks", "boxes", "scribbles"]
    folders = [row.data for row in rows]
    kinds = [Counter(frame.kind for frame in read_frames(folder, "train")) for folder in folders]
    assert [kind.most_common(1)[0] for kind in kinds] == [
        ("real_smoke", 8),
        ("real_smoke_box", 8),
        ("real_smoke_scribble", 8),
    ]
    for folder in folders:
        check_frames(read_frames(folder, "all"))
        assert (names(folder, "train"), names(folder, "val")) == (names(data, "train"), names(data, "val"))
        val = Counter(frame.kind for frame in read_frames(folder, "val"))
        assert val == Counter(frame.kind for frame in read_frames(data, "val"))
    masks, boxes, scribbles = (
        {frame.image.name: frame for frame in read_frames(folder, "train")} for folder in folders
    )
    for name, frame in masks.items():
        shape = load_image(frame.image).shape
        smoke = load_mask(frame, shape) >= 0.5
        inside = np.zeros(shape[:2], bool)
        for box in boxes[name].boxes:
            inside[box.y : box.y + box.height, box.x : box.x + box.width] = True
        assert (inside >= smoke).all()
        assert not boxes[name].mask
        if smoke.any():
            on_smoke, drawn = read_scribble(scribbles[name].mask)
            assert (smoke >= on_smoke.astype(bool)).all()
            assert not (smoke & drawn.astype(bool) & ~on_smoke.astype(bool)).any()


def test_rows_of_labels_differ_in_the_source_of_smoke_alone(data: Path, tmp_path: Path):
    rows = label_rows(read_config(Path("embedded")), data, tmp_path)
    configs = [read_config(Path("embedded"), row.overrides) for row in rows]
    assert [next(iter(config.data.mix)) for config in configs] == [
        "real_smoke",
        "real_smoke_box",
        "real_smoke_scribble",
    ]
    assert len({tuple(config.data.mix.values()) for config in configs}) == 1
    assert {config.data.decoys for config in configs} == {0}
    assert all(stage.whole for config in configs for stage in config.generator.stages)
    assert len({config.model_copy(update={"data": None}).model_dump_json() for config in configs}) == 1


def test_what_was_begun_is_made_anew_and_what_is_done_is_left(data: Path, tmp_path: Path, monkeypatch):
    write = variants.write_data
    monkeypatch.setattr(variants, "write_data", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        label_rows(tiny(), data, tmp_path)
    monkeypatch.setattr(variants, "write_data", write)
    first = [row.data.stat().st_mtime_ns for row in label_rows(tiny(), data, tmp_path)]
    assert [row.data.stat().st_mtime_ns for row in label_rows(tiny(), data, tmp_path)] == first


def test_folders_that_were_made_of_other_frames_are_not_gone_on_with(data: Path, tmp_path: Path):
    copy = shutil.copytree(data, tmp_path / "data")
    label_rows(tiny(), copy, tmp_path / "out")
    listed = (copy / "manifest.csv").read_text().splitlines(keepends=True)
    (copy / "manifest.csv").write_text("".join(row for row in listed if "cam-a-1" not in row))
    with pytest.raises(DataError, match=r"data-masks: found a folder made of other frames"):
        label_rows(tiny(), copy, tmp_path / "out")


def test_one_half_is_what_the_model_knows_least_of_and_the_others_are_drawn(tiny_run: Run, tmp_path: Path):
    out = tmp_path / "out"
    rows = half_rows(tiny(), tiny_run.data, out, tiny_run.checkpoint, Console(quiet=True))
    assert [row.name for row in rows] == [f"{half}-{seed}" for seed in (1, 2, 3) for half in ("ranked", "random")]
    halves = {row.name: names(row.data, "train") for row in rows}
    assert {len(half) for half in halves.values()} == {6}
    assert halves["ranked-1"] == halves["ranked-2"] == halves["ranked-3"]
    assert len({tuple(halves[f"random-{seed}"]) for seed in (1, 2, 3)}) == 3
    assert by_score(tiny_run, tmp_path)[0] in halves["ranked-1"]
    assert {row.overrides[1] for row in rows if row.name.startswith("ranked")} == {"seed=1", "seed=2", "seed=3"}
    assert {names(row.data, "val")[0] for row in rows} == {names(tiny_run.data, "val")[0]}


def by_score(run: Run, folder: Path) -> list[str]:
    files = [frame.image for frame in read_frames(run.data, "train")]
    scored = score_files(load_predictor(run.checkpoint), folder, files, folder / "scores.csv", Console(quiet=True))
    return [each.file.name for each in sorted(scored, key=lambda each: -each.score)]


def test_where_all_frames_are_alike_the_half_is_filled_by_score(tiny_run: Run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(variants, "NEAR", -0.99)
    rows = half_rows(tiny(), tiny_run.data, tmp_path / "out", tiny_run.checkpoint, Console(quiet=True))
    assert names(rows[0].data, "train") == sorted(by_score(tiny_run, tmp_path)[:6])


def test_the_table_of_halves_wants_a_model(data: Path, tmp_path: Path, capsys):
    assert main(["ablate", "tiny", "--table", "ranked", "--data", str(data), "--out", str(tmp_path / "out")]) == 2
    assert "wants --model" in capsys.readouterr().err
    with pytest.raises(StudyError):
        half_rows(tiny(), data, tmp_path, None, Console(quiet=True))


@pytest.mark.parametrize("table", ["paper", "recipe", "labels"])
def test_a_model_for_a_table_that_ranks_nothing_is_refused(data: Path, tmp_path: Path, capsys, table: str):
    command = [
        "ablate",
        "tiny",
        "--table",
        table,
        "--model",
        "any",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(command) == 2
    assert f"found --model with --table {table}, expected it with --table ranked alone" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("table", "rows", "means"), [("labels", 3, 0), ("ranked", 6, 2)])
def test_a_table_is_trained_scored_and_printed_by_one_command(tiny_run: Run, tmp_path: Path, table, rows, means):
    out = tmp_path / "out"
    command = ["ablate", "tiny", "--table", table, "--data", tiny_run.data, "--out", out, *SHORT]
    model = ["--model", tiny_run.checkpoint] if table == "ranked" else []
    assert main([str(part) for part in (*command, *model)]) == 0
    lines = (out / "ablation.md").read_text().splitlines()[2:]
    assert len(lines) == rows + means
    assert sum("mean ± standard deviation" in line for line in lines) == means
    assert all("| 4 |" in line for line in lines[:rows])


def test_rows_of_one_name_get_their_mean_and_spread():
    from tests.training.commands.studies.test_ablate import ROW

    table = scores_table([ROW | {"F-beta": (value, [0, 1])} for value in (0.4, 0.6)] + [ROW | {"what": "alone"}])
    last = table.splitlines()[-1]
    assert last.startswith("| L_bnn: mean ± standard deviation | |")
    assert "0.500 ± 0.141" in last
    assert table.count("mean ±") == 1
