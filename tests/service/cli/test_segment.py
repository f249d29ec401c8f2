"""`segment`: pictures become reports, maps and an overlay, each under a name of its own."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from models.geometry import fit
from models.operating_points import OperatingPoint, OperatingPoints
from service.__main__ import main
from service.cli.pictures import collect, name_tasks
from tests.conftest import build_release, closed_form, closed_novelty
from tests.pictures import array_of, file_of, floats_of, plain, plume

pytestmark = pytest.mark.usefixtures("wide_terminal")


def segment(release: Path, *arguments: object) -> int:
    return main(["segment", *map(str, arguments), "--model-dir", str(release)])


def written(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def test_a_picture_gets_a_report_its_maps_and_an_overlay(release, folder, tmp_path):
    out = tmp_path / "out"
    assert segment(release, folder / "plume.png", "--out", out) == 0
    assert written(out) == [
        "plume.aleatoric.png",
        "plume.json",
        "plume.mask.png",
        "plume.overlay.jpg",
        "plume.total.png",
    ]
    report = json.loads((out / "plume.json").read_text())
    assert report["source"] == str(folder / "plume.png")
    assert report["smoke"]["area_fraction"] == 0.25
    assert report["assessment"] == "smoke"
    assert report["regions"][0]["bbox"] == {"x": 16, "y": 0, "width": 16, "height": 48}
    assert report["maps"]["total"]["file"] == "plume.total.png"
    expected = np.rint(closed_form(fit(plume(), 32))["total"] / np.log(2) * 255)
    assert np.abs(array_of((out / "plume.total.png").read_bytes()) - expected).max() <= 1


def test_resolution_and_threshold_reach_the_maps(release, folder, tmp_path):
    options = ("--outputs", "mask", "--resolution", "frame", "--threshold", "0.05")
    assert segment(release, folder / "plume.png", "--out", tmp_path / "out", *options) == 0
    np.testing.assert_array_equal(array_of((tmp_path / "out/plume.mask.png").read_bytes()), np.full((48, 64), 255))


def test_the_rate_of_the_settings_chooses_the_threshold_and_the_report_says_so(folder, tmp_path, monkeypatch):
    point = OperatingPoint(0.9, 0.0, 0.05, 0.8)
    release = build_release(tmp_path, operating_points=OperatingPoints(0.95, 159, 110, (point,)))
    monkeypatch.setenv("SMOKE_FALSE_ALARM_RATE", "0.1")
    assert segment(release, folder / "plume.png", "--out", tmp_path / "out", "--outputs", "") == 0
    report = json.loads((tmp_path / "out/plume.json").read_text())
    assert (report["model"]["threshold"], report["assessment"]) == (0.9, "clear")


def test_as_npz_the_maps_are_files_of_floats_named_in_the_report(release, model, folder, tmp_path):
    out = tmp_path / "out"
    outputs = ("--outputs", "mask,probability,total,overlay", "--encoding", "npz")
    assert segment(release, folder / "plume.png", "--out", out, *outputs) == 0
    arrays = [f"plume.{name}.npz" for name in ("mask", "probability", "total")]
    assert written(out) == ["plume.json", arrays[0], "plume.overlay.jpg", *arrays[1:]]
    entries = json.loads((out / "plume.json").read_text())["maps"]
    assert [entry["file"] for entry in entries.values()] == arrays
    assert [(entry["encoding"], entry["dtype"]) for entry in entries.values()] == [
        ("npz", "bool"),
        ("npz", "float32"),
        ("npz", "float32"),
    ]
    (prediction,) = model.predict([fit(plume(), 32)])
    found = {name: floats_of((out / entry["file"]).read_bytes(), name) for name, entry in entries.items()}
    np.testing.assert_array_equal(found["probability"], prediction.probability)
    np.testing.assert_array_equal(found["total"], prediction.total)
    np.testing.assert_array_equal(found["mask"], prediction.probability >= 0.5)


def test_two_pictures_of_one_stem_do_not_overwrite_each_other(release, tmp_path, capfd):
    for number, name in enumerate(("a/frame.png", "b/frame.png", "b/frame.jpg")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(file_of(plain(40 * number, 0, 0), "JPEG" if name.endswith("jpg") else "PNG"))
    assert segment(release, tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out", "--outputs", "") == 0
    assert written(tmp_path / "out") == ["frame-2.json", "frame-3.json", "frame.json"]
    sources = [json.loads((tmp_path / "out" / file).read_text())["source"] for file in written(tmp_path / "out")]
    assert [Path(source).relative_to(tmp_path).as_posix() for source in sources] == [
        "b/frame.jpg",
        "b/frame.png",
        "a/frame.png",
    ]
    assert "written as frame-2.*" in " ".join(capfd.readouterr().err.split())


def test_a_made_up_name_does_not_take_a_real_ones_place():
    stems = [task.stem for task in name_tasks([Path("a/x.png"), Path("b/x.png"), Path("x-2.png"), Path("c/x.png")])]
    assert stems == ["x", "x-3", "x-2", "x-4"]


def test_a_picture_named_twice_is_segmented_once(folder, tmp_path):
    picture = folder / "plume.png"
    assert collect([picture, folder, picture], tmp_path / "out").pictures.count(picture) == 1


def test_what_was_written_is_not_read_again(release, folder):
    out = folder / "found"
    (folder / "cut.webp").unlink()
    for _ in range(2):
        assert segment(release, folder, "--out", out, "--outputs", "mask") == 0
        assert written(out) == ["calm.json", "calm.mask.png", "plume.json", "plume.mask.png"]


def test_with_tree_the_answers_lie_as_the_pictures_do(release, folder, tmp_path):
    (folder / "cut.webp").unlink()
    (folder / "below/plume.png").write_bytes(file_of(plume()))
    (folder / "below/plume.webp").write_bytes(file_of(plume(), "WEBP"))
    out = tmp_path / "out"
    assert segment(release, folder, "--out", out, "--outputs", "mask", "--tree") == 0
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.json"))
    assert found == ["below/calm.json", "below/plume-2.json", "below/plume.json", "plume.json"]
    assert json.loads((out / "below/calm.json").read_text())["maps"]["mask"]["file"] == "calm.mask.png"
    assert (out / "below/calm.mask.png").is_file()


def test_a_picture_that_is_named_itself_goes_to_the_top_of_the_tree(folder):
    tasks = name_tasks([folder / "below/calm.JPG", folder / "plume.png"], [folder / "below/calm.JPG", folder])
    assert [task.folder for task in tasks] == [Path("below"), Path()]
    (task,) = name_tasks([folder / "below/calm.JPG"], [folder / "below/calm.JPG"])
    assert task.folder == Path()


def test_a_summary_has_a_line_on_each_picture(release, folder, tmp_path):
    table = tmp_path / "summary.csv"
    assert segment(release, folder, "--out", tmp_path / "out", "--outputs", "", "--csv", table) == 1
    with table.open(encoding="utf-8", newline="") as stream:
        rows = {Path(row["source"]).name: row for row in csv.DictReader(stream)}
    assert list(rows) == ["calm.JPG", "cut.webp", "plume.png"]
    row = rows["plume.png"]
    assert (row["report"], row["assessment"], row["detected"], row["error"]) == ("plume.json", "smoke", "True", "")
    assert (float(row["area_fraction"]), int(row["region_count"])) == (0.25, 1)
    assert float(row["total"]) == pytest.approx(float(row["aleatoric"]) + float(row["epistemic"]))
    assert rows["cut.webp"]["error"].startswith("found a WEBP file that does not decode")
    assert (rows["cut.webp"]["assessment"], row["novelty"]) == ("", "")


def test_reports_and_summary_tell_a_frames_novelty_where_the_release_does(folder, tmp_path):
    told, table, out = build_release(tmp_path / "told", novelty_limit=3.0), tmp_path / "summary.csv", tmp_path / "out"
    segment(told, folder, "--out", out, "--outputs", "", "--csv", table)
    with table.open(encoding="utf-8", newline="") as stream:
        (row,) = [row for row in csv.DictReader(stream) if Path(row["source"]).name == "plume.png"]
    novelty = json.loads((out / "plume.json").read_text())["novelty"]
    assert (novelty["limit"], novelty["unfamiliar"]) == (3.0, False)
    assert float(row["novelty"]) == novelty["score"] == pytest.approx(closed_novelty(fit(plume(), 32)), rel=1e-5)


def test_a_name_that_is_no_utf_8_is_segmented_as_any_other(release, tmp_path, capfd):
    (tmp_path / "in").mkdir()
    for name in (b"h\xfcgel.png", b"h\xfcgel.jpg", b"\xff.webp"):
        kind = {b"png": "PNG", b"jpg": "JPEG", b"webp": "WEBP"}[name.split(b".")[1]]
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_bytes(
            file_of(plume(), kind)[: -9 if kind == "WEBP" else None]
        )
    table = tmp_path / "summary.csv"
    assert segment(release, tmp_path / "in", "--out", tmp_path / "out", "--csv", table) == 1
    names = {os.fsencode(path.name) for path in (tmp_path / "out").glob("*.json")}
    assert names == {b"h\xfcgel.json", b"h\xfcgel-2.json"}
    (report,) = (path for path in (tmp_path / "out").glob("*.json") if b"-2" not in os.fsencode(path.name))
    assert json.loads(report.read_text())["source"].endswith("in/h\\xfcgel.jpg")
    assert "h\\xfcgel.json" in table.read_text(encoding="utf-8")
    assert "\\xff.webp: found a WEBP file that does not decode" in capfd.readouterr().err


def test_what_file_browsers_leave_behind_is_skipped_and_counted(release, folder, tmp_path, capfd):
    (folder / "cut.webp").unlink()
    (folder / "__MACOSX").mkdir()
    for name in (".DS_Store", "._plume.png", "Thumbs.db", "__MACOSX/plume.png"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    assert segment(release, folder, "--out", tmp_path / "out", "--outputs", "") == 0
    assert written(tmp_path / "out") == ["calm.json", "plume.json"]
    assert "skipped 5 files that are no pictures by their names" in capfd.readouterr().err


def test_pictures_come_in_the_order_in_which_a_person_counts(tmp_path):
    for name in ("cam10/1.png", "cam2/10.png", "cam2/9.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = collect([tmp_path], tmp_path / "out").pictures
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["cam2/9.png", "cam2/10.png", "cam10/1.png"]


def test_answers_beside_the_folder_of_the_pictures_leave_it_to_be_read(release, folder, monkeypatch):
    (folder / "cut.webp").unlink()
    monkeypatch.chdir(folder.parent)
    for _ in range(2):
        assert segment(release, folder, "--out", ".", "--outputs", "") == 0
        assert {"calm.json", "plume.json"} <= set(written(folder.parent))
