"""A manifest in which a row would be lost, or read as something else, is refused with the line."""

import codecs
import os
from pathlib import Path

import pytest

from training.data.files import DataError
from training.data.folders import read_frames

HEADER = "file,mask,kind,group,split\n"
ROW = "a.png,,clear,cam-a,train\n"


def refused(tmp_path, text: str | bytes, words: str) -> None:
    raw = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "manifest.csv").write_bytes(raw)
    with pytest.raises(DataError, match=rf"manifest\.csv{words}"):
        read_frames(tmp_path, "train")


@pytest.mark.parametrize("split", ["Train", "TRAIN", "validation", "valid", "training", "test", "", " train"])
def test_a_row_of_no_known_split_does_not_vanish(tmp_path, split):
    refused(
        tmp_path,
        HEADER + ROW + f"b.png,,clear,cam-b,{split}\n",
        rf", line 3: split '{split}' of b\.png, expected train or",
    )


def test_a_group_in_both_splits_is_refused_with_both_lines(tmp_path):
    rows = HEADER + ROW + "b.png,,clear,cam-b,train\nc.png,,clear,cam-a,val\n"
    refused(tmp_path, rows, r", line 4: group 'cam-a' is in split val, and in train at \S*manifest\.csv, line 2")


def test_a_group_in_both_splits_of_two_folders_is_refused(tmp_path):
    for name, split in (("one", "train"), ("two", "val")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").write_text(HEADER + f"a.png,,clear,cam-a,{split}\n")
    with pytest.raises(
        DataError, match=r"two/manifest\.csv, line 2: group 'cam-a' is in split val, and in train at .*one"
    ):
        read_frames([tmp_path / "one", tmp_path / "two"], "train")


def test_a_file_that_is_listed_twice_is_refused_with_both_lines(tmp_path):
    rows = HEADER + ROW + "a.png,,hard_negative,cam-b,train\n"
    refused(tmp_path, rows, r", line 3: a\.png is listed twice, before at \S*manifest\.csv, line 2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            (HEADER + ROW + "Hügel.png,,clear,b,train\n").encode("latin-1"),
            r", line 3: not UTF-8 \(byte 0xfc, as in Latin-1\)",
        ),
        ((HEADER + ROW).encode("utf-16"), ": not UTF-8, but UTF-16"),
        (codecs.BOM_UTF16_BE + (HEADER + ROW).encode("utf-16-be"), ": not UTF-8, but UTF-16"),
        ((HEADER + ROW).encode("utf-16-le"), ": not UTF-8, but UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ": not UTF-8, but UTF-16 or no text at all"),
        (b"", ": no column file, mask, kind, group, split; found None"),
        (HEADER.replace(",", ";") + ROW.replace(",", ";"), ": no column file, mask, kind, group, split; found"),
        (HEADER + '"a.png,,clear,cam-a,train\n' + ROW, ", line 2: no CSV: unexpected end of data"),
        (HEADER + "a.png,,clear,cam, a,train\n", r", line 2: row of a\.png has 1 cells more than there are columns"),
        (HEADER + ",,clear,cam-a,train\n", ", line 2: row of '' has no file"),
        (HEADER + "a.png,,clear,,train\n", r", line 2: row of 'a\.png' has no group"),
    ],
)
def test_what_is_no_csv_in_utf_8_is_refused_in_words(tmp_path, text, words):
    refused(tmp_path, text, words)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_a_manifest_that_is_no_file_is_refused_and_no_other_layout_is_read(tmp_path, make):
    for folder, name in (("img", "a.jpg"), ("gt", "a.png")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"")
    make(tmp_path / "manifest.csv")
    with pytest.raises(
        DataError, match=r"manifest\.csv: (not found|found a folder, a pipe or a device, expected a file)"
    ):
        read_frames(tmp_path, "train")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_empty_rows_as_spreadsheets_leave_them_are_none(tmp_path, end):
    (tmp_path / "manifest.csv").write_text((HEADER + ROW + ",,,,\n\n").replace("\n", end), newline="")
    assert [(frame.image.name, frame.line) for frame in read_frames(tmp_path, "train")] == [("a.png", 2)]
