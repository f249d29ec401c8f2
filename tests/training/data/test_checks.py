"""Whatever would end a run hours later is said before its first step, with its line."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.training.rendered import COLUMNS, HEIGHT_PX, WIDTH_PX
from training.data.checks import check_frames
from training.data.files import DataError
from training.data.folders import read_frames, skipped


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """The rendered folder, to be broken. Its manifest lists cam-a-0 in line 2."""
    return shutil.copytree(data, tmp_path / "data")


def check(folder: Path) -> None:
    check_frames(read_frames(folder, "all"))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check(folder)


def cut(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


def test_a_folder_as_it_should_be_passes(data):
    check(data)


@pytest.mark.parametrize(("file", "line"), [("img/cam-a-1.png", 3), ("gt/cam-b-0.png", 8)])
def test_a_missing_file_is_named_with_its_line(copied, file, line):
    (copied / file).unlink()
    refused(copied, rf"manifest\.csv, line {line}: \S*{file}: not found")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("file", ["img/cam-a-0.png", "gt/cam-a-0.png"])
def test_a_file_that_was_cut_off_is_named_with_its_line(copied, file, share):
    cut(copied / file, share)
    refused(copied, rf"manifest\.csv, line 2: \S*{file}: not a picture, or a damaged one")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_photograph_that_was_cut_off_is_refused_and_a_whole_one_is_not(copied, kind):
    file = copied / "img/cam-a-0.png"
    Image.open(file).save(file, kind)
    check(copied)
    file.write_bytes(file.read_bytes() + b"a camera's own words")
    check(copied)
    Image.open(file).save(file, kind)
    cut(file, 0.7)
    refused(copied, r"line 2: \S*cam-a-0\.png: not a picture, or a damaged one")


def test_a_file_that_is_no_picture_is_named_with_its_line(copied):
    (copied / "img/cam-a-4.png").write_bytes(b"Mac OS X        ")
    refused(copied, r"line 6: \S*cam-a-4\.png: not a picture")


def test_a_folder_in_a_files_place_is_refused(copied):
    (copied / "img/cam-a-4.png").unlink()
    (copied / "img/cam-a-4.png").mkdir()
    refused(copied, r"line 6: \S*cam-a-4\.png: found a folder")


def test_a_mask_of_another_size_is_named_with_its_line(copied):
    cv2.imwrite(str(copied / "gt/cam-a-2.png"), np.eye(9, dtype=np.uint8))
    refused(
        copied, rf"line 4: \S*cam-a-2\.png: mask is \(9, 9\), its image cam-a-2\.png is \({HEIGHT_PX}, {WIDTH_PX}\)"
    )


def test_a_mask_of_several_values_is_named_with_its_line_and_them(copied):
    levels = np.linspace(0, 255, HEIGHT_PX * WIDTH_PX).reshape(HEIGHT_PX, WIDTH_PX).astype(np.uint8)
    cv2.imwrite(str(copied / "gt/cam-a-2.png"), levels)
    refused(copied, r"line 4: \S*cam-a-2\.png: found the values 0, 1, 2, 3, 4, 5 and 250 more; expected two")


def test_a_photograph_that_lies_on_its_side_fits_the_mask_of_the_upright_one(copied):
    file = copied / "img/cam-a-0.png"
    exif = Image.Exif()
    exif[274] = 6
    Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", exif=exif)
    check(copied)


@pytest.mark.parametrize(
    ("strokes", "words"),
    [
        ([0, 1, 2], ""),
        (
            [0, 1, 255],
            r"line 2: \S*s\.png: found the values 0, 1, 255; expected scribbles of 0 unknown, 1 smoke, 2 background",
        ),
        ([0, 2], r"line 2: \S*s\.png: found no stroke on smoke"),
    ],
)
def test_scribbles_of_other_values_are_refused_with_their_file(copied, strokes, words):
    pixels = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    pixels[0, : len(strokes)] = strokes
    Image.fromarray(pixels).save(copied / "s.png")
    (copied / "manifest.csv").write_text(f"{','.join(COLUMNS)}\nimg/cam-a-0.png,s.png,real_smoke_scribble,a,train")
    refused(copied, words) if words else check(copied)


def test_scribbles_of_another_size_or_cut_off_are_refused(copied):
    (copied / "manifest.csv").write_text(f"{','.join(COLUMNS)}\nimg/cam-a-0.png,s.png,real_smoke_scribble,a,train")
    Image.fromarray(np.ones((9, 9), np.uint8)).save(copied / "s.png")
    refused(copied, r"line 2: \S*s\.png: mask is \(9, 9\)")
    cut(copied / "s.png", 0.6)
    refused(copied, r"line 2: \S*s\.png: not a picture, or a damaged one")


def test_a_box_that_ends_outside_of_the_picture_is_named_with_its_line(copied):
    rows = [",".join((*COLUMNS, "boxes")), f"img/cam-a-0.png,,real_smoke_box,a,train,0 0 {WIDTH_PX} {HEIGHT_PX}"]
    (copied / "manifest.csv").write_text("\n".join(rows))
    check(copied)
    rows.append(f"img/cam-a-1.png,,real_smoke_box,a,train,0 0 {WIDTH_PX + 1} 9")
    (copied / "manifest.csv").write_text("\n".join(rows))
    refused(copied, rf"line 3: .*a box ends at {WIDTH_PX + 1} 9, the picture at {WIDTH_PX} {HEIGHT_PX}")


def test_of_many_faults_the_first_are_named_and_the_others_counted(copied):
    shutil.rmtree(copied / "img")
    refused(copied, r"line 2: .*, line 6: \S*: not found; and 19 more$")


@pytest.mark.parametrize("split", ["ab", "cd"])
def test_smoke_whose_masks_are_all_empty_is_refused_even_where_others_are_not(copied, data, split):
    for group in split:
        for mask in (copied / "gt").glob(f"cam-{group}-*.png"):
            cv2.imwrite(str(mask), np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))
    frames = read_frames(copied, "train" if split == "ab" else "val")
    words = r"manifest\.csv: the masks of all 8 frames of kind real_smoke are empty; expected smoke in them"
    with pytest.raises(DataError, match=words):
        check_frames(frames)
    with pytest.raises(DataError, match=words):
        check_frames([*read_frames(data, "train"), *frames])


def test_one_empty_mask_is_a_frame_on_which_nobody_drew_smoke(copied):
    cv2.imwrite(str(copied / "gt/cam-a-0.png"), np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))
    check(copied)


def test_what_file_browsers_leave_among_the_synthetic_pictures_is_skipped_and_counted(copied):
    part = copied / "smoke5k_synthetic"
    for folder, source in (("img", "img/cam-a-0.png"), ("gt", "gt/cam-a-0.png")):
        (part / folder).mkdir(parents=True)
        shutil.copy(copied / source, part / folder / "s1.png")
        for name in (".DS_Store", "._s1.png", "Thumbs.db", "desktop.ini"):
            (part / folder / name).write_bytes(b"\0\5\x16\7")
    synthetic = [frame for frame in read_frames(copied, "train") if frame.kind == "synthetic"]
    assert [(frame.image.name, frame.mask.name) for frame in synthetic] == [("s1.png", "s1.png")]
    assert len(skipped(copied)) == 8
    check(copied)
    (part / "img/s1.png").write_bytes(b"")
    refused(copied, r"smoke5k_synthetic: \S*s1\.png: not a picture")
