"""Several folders read as one, the synthetic pictures beside them, and lists that choose of their frames."""

from pathlib import Path

import pytest

from training.data.files import DataError
from training.data.folders import choose, read_frames
from training.data.frames import Frame

DATA = Path("data")
FRAMES = [Frame(DATA / f"img/{name}.png", None, "clear", "a") for name in ("one", "two", "three")]


def test_the_synthetic_part_belongs_to_train_alone(folder):
    for name in ("img/s2.jpg", "img/s1.jpg", "gt/s1.png", "gt/s2.png"):
        path = folder / "smoke5k_synthetic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    kinds = {split: [frame.kind for frame in read_frames(folder, split)] for split in ("train", "val", "all")}
    assert kinds["train"] == ["real_smoke", "synthetic", "synthetic"]
    assert kinds["val"] == ["clear"]
    assert kinds["all"] == ["real_smoke", "clear", "synthetic", "synthetic"]
    assert [frame.mask.name for frame in read_frames(folder, "train")[1:]] == ["s1.png", "s2.png"]


def test_a_synthetic_image_without_a_mask_is_named(folder):
    for name in ("img/s1.jpg", "img/s2.jpg", "gt/s1.png"):
        path = folder / "smoke5k_synthetic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(DataError, match=r"smoke5k_synthetic: 1 images without a mask, the first is s2\.jpg"):
        read_frames(folder, "train")


def test_several_folders_are_read_as_if_they_were_one(folder, another):
    assert [frame.image for frame in read_frames([folder, another], "train")] == [
        folder / "a.png",
        another / "a.png",
        another / "b.png",
    ]


def test_a_folder_may_lack_a_split_that_another_has(folder, another):
    assert [frame.image for frame in read_frames([another, folder], "val")] == [folder / "b.png"]


def test_a_folder_named_twice_is_refused(folder):
    with pytest.raises(DataError, match="named twice"):
        read_frames([folder, folder / "." / ".." / folder.name], "train")


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
