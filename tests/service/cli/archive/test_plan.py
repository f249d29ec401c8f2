"""Which pictures of an archive are looked at, and in which blocks: each once, whatever its folders hold."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.__main__ import main
from tests.service.cli.archive.conftest import FRAMES
from tests.tools import missing

if not all(map(find_spec, ("ray", "pyarrow", "moto"))):
    missing("no Ray, Arrow or moto here: they come with the extras ray and dev")


from service.cli.archive.plan import FINDINGS, plan_archive
from service.cli.archive.storage import open_folder, pictures_below
from service.errors import SettingsInvalid


def test_new_pictures_get_blocks_of_their_own_and_old_ones_keep_theirs(tmp_path):
    out = open_folder(str(tmp_path))
    first = plan_archive(["b", "d", "e"], out, 2)
    assert first.left == [("00000-000000", ["b", "d"]), ("00000-000001", ["e"])]
    (tmp_path / FINDINGS).mkdir()
    (tmp_path / FINDINGS / "00000-000000.parquet").touch()
    second = plan_archive(["a", "b", "c", "d", "e"], out, 5)
    assert second.left == [("00000-000001", ["e"]), ("00001-000000", ["a", "c"])]
    assert (second.frames_done, second.frames_left) == (2, 3)
    assert plan_archive(["a", "b", "c", "d", "e"], out, 1) == second


def test_findings_that_lie_below_the_pictures_are_no_pictures(pictures):
    (pictures / "found/masks").mkdir(parents=True)
    (pictures / "found/masks/0.png").touch()
    names = pictures_below(open_folder(str(pictures)), open_folder(str(pictures / "found")))
    assert len(names) == FRAMES
    assert names[:3] == ["camera-0/0.png", "camera-0/2.png", "camera-0/4.png"]
    assert names.index("camera-0/10.png") == 5


def test_links_are_followed_but_not_in_a_circle(pictures, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/7.png").touch()
    for name, target in {"disk": tmp_path / "elsewhere", "up": pictures, "camera-0/down": pictures}.items():
        (pictures / name).symlink_to(target)
    names = pictures_below(open_folder(str(pictures)), open_folder(str(tmp_path)))
    assert len(names) == FRAMES + 1
    assert "disk/7.png" in names


def test_a_name_that_no_findings_can_hold_is_told_and_the_rest_is_planned(release, tmp_path, capfd, monkeypatch):
    from service.cli.archive import command

    plans = []
    monkeypatch.setattr(command, "_work", lambda *given: plans.append(given[1]) or 0)
    (tmp_path / "in").mkdir()
    for name in (b"plume.png", b"h\xfcgel.png"):
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).touch()
    asked = ["archive", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--model-dir", str(release)]
    assert main(asked) == 1
    assert "h\\xfcgel.png: found a name that is no UTF-8" in capfd.readouterr().err
    assert [block.sources for block in plans[0].left] == [["plume.png"]]


def test_a_name_of_no_store_is_refused_in_words():
    with pytest.raises(SettingsInvalid, match=r"nowhere://x.*expected a folder, or a URI such as s3://"):
        open_folder("nowhere://x")
