"""A list of frames, as the paper's test sets are."""

from pathlib import Path

import pytest

from training.data.smoke5k import DataError, Frame
from training.subset import choose

DATA = Path("data")
FRAMES = [Frame(DATA / f"img/{name}.png", None, "clear", "a") for name in ("one", "two", "three")]


def listed(folder: Path, text: str) -> Path:
    path = folder / "difficult.txt"
    path.write_text(text)
    return path


def test_the_frames_of_the_list_are_taken_in_its_order_and_once(tmp_path):
    chosen = choose(FRAMES, DATA, listed(tmp_path, "img/three.png\n\n  img/one.png \nimg/three.png\n"))
    assert chosen == [FRAMES[2], FRAMES[0]]


def test_an_unknown_name_is_refused_by_its_name(tmp_path):
    with pytest.raises(DataError, match=r"difficult\.txt: 2 of 3 names are of no frame .* 'img/four\.png'"):
        choose(FRAMES, DATA, listed(tmp_path, "img/one.png\nimg/four.png\nimg/five.png\n"))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_list_is_refused(tmp_path, text):
    with pytest.raises(DataError, match="names no frame"):
        choose(FRAMES, DATA, listed(tmp_path, text))


def test_a_missing_list_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.txt: no list of frames"):
        choose(FRAMES, DATA, tmp_path / "absent.txt")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DataError, match=r"picture\.txt: no list of frames"):
        choose(FRAMES, DATA, tmp_path / "picture.txt")


def test_a_name_may_be_of_any_of_several_folders(tmp_path):
    other = Frame(Path("more/img/four.png"), None, "clear", "b")
    chosen = choose([*FRAMES, other], [DATA, Path("more")], listed(tmp_path, "img/four.png\nimg/one.png\n"))
    assert chosen == [other, FRAMES[0]]
