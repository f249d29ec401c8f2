"""Labels as people write them."""

import pytest

from service.cli.recordings import Label, read_labels, read_recording
from service.errors import SettingsInvalid


def test_labels_are_read_with_any_number_of_boxes(recording):
    assert read_recording(recording).labels["003.png"] == Label(smoke=True, boxes=((16.0, 0.0, 32.0, 48.0),))
    (recording / "frames.csv").write_text("frame,smoke_labelled,boxes\na.jpg,1,1 2 3 4 5 6 7 8\nb.jpg,0\n")
    assert read_labels(recording / "frames.csv") == {
        "a.jpg": Label(smoke=True, boxes=((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))),
        "b.jpg": Label(smoke=False, boxes=()),
    }


HEADER = "frame,smoke_labelled,boxes\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ", line 1: found columns none; expected columns frame, smoke_labelled and boxes"),
        ("frame\na.jpg\n", ", line 1: found columns frame; expected"),
        (HEADER + "a.jpg,1,1 2 3\n", ", line 2: found the box numbers '1 2 3', expected four a box"),
        (HEADER + "a.jpg,1,1 2 3 nan\n", ", line 2: found the box numbers"),
        (HEADER + "a.jpg,1,a b c d\n", ", line 2: could not convert string to float: 'a'"),
        (HEADER + "a.jpg,1,9 2 3 4\n", ", line 2: found the box '9 2 3 4', expected left < right"),
        (HEADER + "a.jpg,0,\nb.jpg,yes,\n", ", line 3: found smoke_labelled 'yes', expected 0, 1 or nothing"),
        (HEADER + "a.jpg,0,\na.jpg,1,\n", r", line 3: found frame 'a\.jpg' twice"),
        (HEADER + "a.jpg\n", r", line 2: found frame 'a\.jpg' without smoke_labelled"),
        (HEADER + "a.jpg,1,1 2 3 4,5 6 7 8\n", ", line 2: found 4 cells under 3 columns"),
        (HEADER + '"a.jpg,1,\nb.jpg,0,\n', ", line 3: unexpected end of data"),
        ("frame,smoke_labelled\nHügel.jpg,1\n".encode("latin-1"), ": not UTF-8: .*0xfc.*save it as CSV in UTF-8"),
        ("frame,smoke_labelled\na.jpg,1\n".encode("utf-16"), ": not UTF-8: UTF-16"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_their_line(tmp_path, text, words):
    (tmp_path / "frames.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsInvalid, match=rf"frames\.csv{words}"):
        read_labels(tmp_path / "frames.csv")


def test_labels_saved_by_a_spreadsheet_are_read(tmp_path):
    (tmp_path / "frames.csv").write_bytes(b"\xef\xbb\xbfframe,smoke_labelled,boxes\r\na.jpg,1,\r\nb.jpg,,\r\n,,\r\n")
    assert read_labels(tmp_path / "frames.csv") == {"a.jpg": Label(smoke=True, boxes=())}


def test_frames_come_in_the_order_in_which_a_person_counts(tmp_path):
    for name in ("1.jpg", "10.jpg", "2.JPG", "11.jpg", "._2.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "3.jpg").mkdir()
    assert [frame.name for frame in read_recording(tmp_path).frames] == ["1.jpg", "2.JPG", "10.jpg", "11.jpg"]


def test_labels_of_no_file_are_told_and_refused_where_there_are_no_others(recording):
    (recording / "007.png").unlink()
    assert read_recording(recording).strangers == ("007.png",)
    labels = (recording / "frames.csv").read_text()
    (recording / "frames.csv").write_text(labels.replace(".png", ".jpg"))
    with pytest.raises(
        SettingsInvalid, match=r"frames\.csv: labels no file of its folder; found '000\.jpg', .* '000\.png'"
    ):
        read_recording(recording)
