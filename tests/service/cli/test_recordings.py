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


@pytest.mark.parametrize("text", ["", "frame\na.jpg\n", "frame,smoke_labelled,boxes\na.jpg,1,1 2 3\n"])
def test_labels_that_cannot_be_read_are_refused(tmp_path, text):
    (tmp_path / "frames.csv").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"frames\.csv"):
        read_labels(tmp_path / "frames.csv")
