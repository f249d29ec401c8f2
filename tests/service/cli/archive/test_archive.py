"""`archive`: the same findings as `segment`, each picture once, whatever is killed; on disk and in an object store that speaks S3."""

import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.close_ups import CloseUps
from models.geometry import fit
from service.__main__ import main
from tests.conftest import SIDE, build_release, closed_novelty
from tests.pictures import array_of, file_of, plain, plume
from tests.service.cli.archive.conftest import FRAMES
from tests.tools import missing

if not all(map(find_spec, ("ray", "pyarrow", "moto"))):
    missing("no Ray, Arrow or moto here: they come with the extras ray and dev")

from pyarrow import parquet
from pyarrow.fs import FileSystem, LocalFileSystem, SubTreeFileSystem

from service.cli.archive.plan import FINDINGS, PictureBlock
from service.cli.archive.segmenter import ArchiveJob, BlockSegmenter
from service.cli.archive.storage import files_in, open_folder
from service.errors import ModelUnusable
from service.pipeline.options import SegmentOptions
from service.server.components import load
from service.settings import Settings


@pytest.fixture(scope="module")
def store() -> Iterator[None]:
    """An object store on loopback, named as its own tools are told of it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        yield
    server.stop()


def copied(folder: Path, name: str) -> SubTreeFileSystem:
    """The folder of the store that holds what the folder on disk does."""
    from pyarrow.fs import copy_files

    bucket = name.removeprefix("s3://").split("/")[0]
    FileSystem.from_uri(f"s3://{bucket}?allow_bucket_creation=true")[0].create_dir(bucket)
    target = open_folder(name)
    copy_files(str(folder), "", source_filesystem=LocalFileSystem(), destination_filesystem=target)
    return target


def archive(release: Path, *arguments: object) -> list[str]:
    command = [sys.executable, "-m", "service", "archive", *map(str, arguments), "--model-dir", str(release)]
    return [*command, "--block", "1"]


def rows_of(out: SubTreeFileSystem) -> dict[str, list[dict]]:
    """The rows of each picture."""
    rows: dict[str, list[dict]] = {}
    for name in files_in(out, FINDINGS):
        for row in parquet.read_table(f"{FINDINGS}/{name}", filesystem=out).to_pylist():
            rows.setdefault(row["source"], []).append(row)
    return rows


def until(true: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def as_segmented(pictures: Path, release: Path, out: Path) -> dict[str, dict]:
    assert main(["segment", str(pictures), "--tree", "--out", str(out), "--model-dir", str(release)]) == 1
    return {
        str(path.relative_to(out).with_suffix(".png")): json.loads(path.read_text()) for path in out.rglob("*.json")
    }


def written_at(out: SubTreeFileSystem) -> dict[str, int]:
    """When each file of findings was written, by name."""
    return {name: out.get_file_info(f"{FINDINGS}/{name}").mtime_ns for name in files_in(out, FINDINGS)}


def assert_says(row: dict, report: dict) -> None:
    """The findings on a picture are those of its report by `segment`."""
    frame, smoke = report["uncertainty"]["frame"], report["uncertainty"]["smoke"] or {}
    shared = {key: report[key] for key in ("assessment", "damaged")} | report["smoke"] | frame
    expected = shared | {f"smoke_{key}": value for key, value in smoke.items()}
    assert {key: row[key] for key in expected} == expected
    assert row["novelty"] is report["novelty"] is row["close_ups_looked"] is report["close_ups"] is None
    for region, reported in zip(row["regions"], report["regions"], strict=True):
        assert region == {**reported.pop("bbox"), **{k: v for k, v in reported.items() if k != "persistence_s"}}


@pytest.mark.usefixtures("store")
def test_killed_in_the_middle_and_started_anew_each_picture_has_the_findings_of_segment_once(
    release, pictures, tmp_path
):
    source, found = "s3://cameras/in", "s3://cameras/found"
    copied(pictures, source)
    out = open_folder(found)
    with subprocess.Popen(archive(release, source, "--out", found)) as killed:
        until(lambda: files_in(out, FINDINGS))
        killed.send_signal(signal.SIGKILL)
    before = written_at(out)
    assert 0 < len(before) < FRAMES
    again = subprocess.run(archive(release, source, "--out", found), capture_output=True, text=True, check=False)
    assert again.returncode == 1, again.stderr
    # Workers that outlive the one that was killed may end their block; it has the same name then.
    (there,) = re.findall(r"going on: (\d+) pictures have their findings", again.stderr)
    assert len(before) <= int(there) < FRAMES
    assert before.items() <= written_at(out).items()
    rows = rows_of(out)
    assert sorted(rows) == sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*"))
    assert all(len(those) == 1 for those in rows.values())
    broken = rows.pop("cut.webp")[0]
    assert "found a WEBP file that does not decode" in broken.pop("error")
    assert {name for name, value in broken.items() if value is not None} == {"source"}
    for name, report in as_segmented(pictures, release, tmp_path / "segmented").items():
        row = rows.pop(name)[0]
        assert_says(row, report)
        segmented = (tmp_path / "segmented" / name).with_suffix(".mask.png").read_bytes()
        with out.open_input_stream(row["mask"]) as stream:
            assert (array_of(stream.read()) == array_of(segmented)).all()
    assert rows == {}


def job_of(release: Path, source: Path, out: Path) -> ArchiveJob:
    settings = Settings.load(model_dir=release, threads=1, runners=1, workers=1, decode_max_s=0)
    return ArchiveJob(str(source), str(out), settings, SegmentOptions(("mask",)), load(settings).model.identity)


def test_a_frames_novelty_is_among_its_findings_where_the_release_tells_it(pictures, tmp_path):
    told = build_release(tmp_path / "told", novelty_limit=3.0)
    block = PictureBlock("00000-000000", ["camera-0/0.png"])
    with BlockSegmenter(job_of(told, pictures, tmp_path / "out")) as segmenter:
        segmenter.segment(block)
    ((row,),) = rows_of(open_folder(str(tmp_path / "out"))).values()
    frame = array_of((pictures / "camera-0/0.png").read_bytes())
    assert row["novelty"] == pytest.approx(closed_novelty(fit(frame, SIDE)), rel=1e-5)


def test_how_often_a_picture_was_looked_at_closer_is_among_its_findings(tmp_path):
    closer = CloseUps(smallest=0.0001, largest=0.02, cut=1.0)
    release = build_release(tmp_path / "closer", close_ups=closer, minimum_region=0.0)
    speckled = plain(20, 60, 90, 160, 160)
    speckled[78:88, 78:88] = 255
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/speckled.png").write_bytes(file_of(speckled))
    (tmp_path / "pictures/clear.png").write_bytes(file_of(plain(20, 60, 90, 160, 160)))
    with BlockSegmenter(job_of(release, tmp_path / "pictures", tmp_path / "out")) as segmenter:
        segmenter.segment(PictureBlock("00000-000000", ["speckled.png", "clear.png"]))
    rows = rows_of(open_folder(str(tmp_path / "out")))
    assert {name: (row["close_ups_looked"], row["close_ups_skipped"]) for name, (row,) in rows.items()} == {
        "speckled.png": (1, 0),
        "clear.png": (0, 0),
    }


def test_a_block_that_is_answered_twice_has_the_same_findings_once(release, pictures, tmp_path):
    block = PictureBlock("00000-000000", ["camera-0/0.png", "cut.webp", "gone.png"])
    out = open_folder(str(tmp_path / "out"))
    with BlockSegmenter(job_of(release, pictures, tmp_path / "out")) as segmenter:
        done = segmenter.segment(block)
        first = rows_of(out)
        assert segmenter.segment(block) == done
    assert (done.frames, [source for source, _ in done.failed]) == (3, ["cut.webp", "gone.png"])
    assert rows_of(out) == first
    assert files_in(out, FINDINGS) == ["00000-000000.parquet"]


def test_a_store_that_fails_ends_the_run_and_costs_no_picture_its_answer(release, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/masks").write_text("no folder")
    with (
        BlockSegmenter(job_of(release, pictures, tmp_path / "out")) as segmenter,
        pytest.raises(OSError, match="masks"),
    ):
        segmenter.segment(PictureBlock("00000-000000", ["camera-0/0.png"]))
    assert rows_of(open_folder(str(tmp_path / "out"))) == {}


def test_a_worker_with_another_model_answers_nothing(release, pictures, tmp_path):
    wanted = job_of(build_release(tmp_path, version="0.0.2"), pictures, tmp_path / "out")
    job = ArchiveJob(
        wanted.source, wanted.out, job_of(release, pictures, tmp_path).settings, wanted.options, wanted.model
    )
    with pytest.raises(ModelUnusable, match=r"0\.0\.1.*expected.*0\.0\.2"):
        BlockSegmenter(job)


def test_a_name_that_leaves_no_room_for_its_masks_is_a_row_with_its_reason(release, tmp_path):
    name = f"{'y' * 250}.png"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(file_of(plume()))
    with BlockSegmenter(job_of(release, tmp_path / "in", tmp_path / "out")) as segmenter:
        segmenter.segment(PictureBlock("00000-000000", [name]))
    assert "File name too long" in rows_of(open_folder(str(tmp_path / "out")))[name][0]["error"]


@pytest.mark.parametrize(
    ("file", "content"), [("archive.json", b'{"a"'), ("archive.json", b"[1]"), ("plan/00000.parquet", b"no table")]
)
def test_what_is_none_of_an_archive_is_refused_in_words(release, pictures, tmp_path, capfd, file, content):
    broken = tmp_path / "out" / file
    broken.parent.mkdir(parents=True)
    broken.write_bytes(content)
    assert main(["archive", str(pictures), "--out", str(tmp_path / "out"), "--model-dir", str(release)]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert file in line
    assert broken.read_bytes() == content


def test_what_a_worker_fails_of_is_told(release, pictures, tmp_path):
    (tmp_path / "out/findings").mkdir(parents=True)
    (tmp_path / "out/masks").write_text("no folder")
    command = archive(release, pictures, "--out", tmp_path / "out")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("smoke-bvm: [Errno 20]"), done.stderr


def test_an_error_is_told_before_ray_shuts_down_which_may_end_the_process(
    release, pictures, tmp_path, monkeypatch, capfd
):
    from service.cli.archive import command

    told = []

    @contextmanager
    def cluster(_: str) -> Iterator[None]:
        yield
        told.append(capfd.readouterr().err)

    def fail(*_: object) -> Iterator[None]:
        raise OSError(20, "Not a directory")

    monkeypatch.setattr(command, "ray_cluster", cluster)
    monkeypatch.setattr(command, "segment_blocks", fail)
    assert main(["archive", str(pictures), "--out", str(tmp_path / "out"), "--model-dir", str(release)]) == 1
    assert told[0].splitlines()[-1] == "smoke-bvm: [Errno 20] Not a directory"


@pytest.mark.parametrize("otherwise", [("--threshold", "0.9"), ("--resolution", "frame")])
def test_findings_of_another_threshold_or_size_are_not_mixed_with_those_there_are(
    release, pictures, tmp_path, otherwise, capfd
):
    from service.cli.archive import command

    out = tmp_path / "out"
    asked = ["archive", str(pictures), "--out", str(out), "--model-dir", str(release)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_work", lambda *_: 0)
        assert main(asked) == 0
        assert main([*asked, *otherwise]) == 2
    assert "in archive.json, expected" in capfd.readouterr().err


def test_without_pictures_it_says_so(release, tmp_path, capfd):
    assert main(["archive", str(tmp_path), "--out", str(tmp_path / "out"), "--model-dir", str(release)]) == 1
    assert "found no JPEG, PNG or WebP files" in capfd.readouterr().err
    assert main(["archive", str(tmp_path / "gone"), "--out", str(tmp_path), "--model-dir", str(release)]) == 1
    assert "gone" in capfd.readouterr().err
