"""`rank`: the frames of a folder to label next, with what the model sees in them drawn already, for an annotation tool."""

import argparse
import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from models.geometry import regions, unfit
from models.manifest import newest_release
from models.maps import SegmentationMaps
from models.outlines import Ring, plain, polygons
from training.audit.ranking import Chosen, Scored, choose_frames, knowledge_gap
from training.data.files import DataError, pictures_of, write_whole
from training.data.folders import read_frames
from training.data.frames import Frame, load_image, write_png
from training.data.layouts.labelme import write_labelme
from training.data.layouts.walk import picture_folders
from training.evaluation.pictures import contact_sheet
from training.evaluation.predictor import Predictor, load_predictor, predict_frame

Item = TypeVar("Item")
KEPT_SCORES, RANKING, FRAMES, SHEET = "scores.csv", "ranking.csv", "frames", "contact_sheet.png"
_COLUMNS = ("model", "file", "bytes", "modified_ns", "score", "unsure", "novelty", "fault")
WEIGHTS_DIGITS = 16
"""Of the sha256 of a model, by which files tell what weights they come from."""
_EVEN = 0.5
"""Where a checkpoint, which has no threshold, draws smoke from."""
_SHOWN, _LINE_ITEMS = 20, 100
_NAME_CHARACTERS = 60


def run_rank(options: argparse.Namespace, console: Console) -> None:
    """`rank`: what came of it in a few lines."""
    out: Path = options.out
    if (out / RANKING).exists():
        raise DataError(
            f"{out / RANKING}: is there already, and its frames may be labelled by now; choose another --out"
        )
    predictor = load_predictor(options.model or newest_release())
    labelled = [frame.image for frame in read_frames(options.labelled, "all")] if options.labelled else []
    files = _pictures(options.folder, out, console)
    out.mkdir(parents=True, exist_ok=True)
    scored = score_files(predictor, options.folder, files, out / KEPT_SCORES, console)
    readable = [each for each in scored if not each.fault]
    if not readable:
        raise DataError(f"{options.folder}: none of {len(scored)} pictures can be read, the first: {scored[0].fault}")
    rows = choose_frames(readable, options.count, options.near, labelled)
    chosen = [row.scored for row in rows if not row.alike]
    names = _named(chosen, options.count)
    _write_frames(predictor, chosen, names, out / FRAMES, console)
    _write_sheet(predictor, chosen, out / SHEET)
    _write_ranking(options.folder, scored, rows, names, out / RANKING)
    _tell(options, scored, rows, console)


def score_files(predictor: Predictor, root: Path, files: Sequence[Path], kept: Path, console: Console) -> list[Scored]:
    """Every picture with its score; those that the same model scored before, and that have not changed, are not scored again.

    Args:
        predictor: Who is asked.
        root: What file names are told relative to.
        files: Pictures below it.
        kept: CSV that gets a row as soon as a picture is scored, so that nothing is lost when the work is stopped.
        console: Shows how far it is.
    """
    model = predictor.sha256[:WEIGHTS_DIGITS]
    known = _known(kept, model)
    scored = []
    with kept.open("a", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        table = csv.writer(stream)
        if not kept.stat().st_size:
            table.writerow(_COLUMNS)
        for file in _shown(files, "scoring", console):
            state = _state(root, file)
            if state in known:
                score, unsure, novelty, fault = known[state]
            else:
                score, unsure, novelty, fault = _score(predictor, file)
                table.writerow((model, *state, score, unsure, novelty, fault))
                stream.flush()
            scored.append(Scored(file, float(score), float(unsure), fault, float(novelty)))
    return scored


def smoke_outlines(
    maps: SegmentationMaps, threshold: float, minimum_region: float, shape: tuple[int, ...]
) -> list[Ring]:
    """Plain polygons (n, 2) of x, y around the smoke of a frame of that shape, as annotation tools know them."""
    smoke = unfit(maps.probability, shape[1], shape[0]) >= threshold
    found, labels = regions(smoke, minimum_region)
    return [plain(rings) for region in found for rings in polygons(labels == region.label)]


def _shown(items: Sequence[Item], what: str, console: Console) -> Iterator[Item]:
    """The items, with a bar; or a line every hundred, for logs without one."""
    if console.is_terminal:
        yield from track(items, what, console=console)
        return
    for number, item in enumerate(items, start=1):
        yield item
        if number % _LINE_ITEMS == 0:
            console.print(f"{what} {number:,}/{len(items):,}")


def _pictures(root: Path, out: Path, console: Console) -> list[Path]:
    """All pictures below the folder but those in `out`. Raises DataError where there is none."""
    if not root.is_dir():
        raise DataError(f"{root}: not a folder")
    closed: list[OSError] = []
    own = out.resolve()
    folders = [folder for folder in picture_folders(root, closed.append) if not folder.resolve().is_relative_to(own)]
    for error in closed:
        console.print(f"left out: {error.filename!a}: {error.strerror}", markup=False, soft_wrap=True)
    files = [file for folder in folders for file in pictures_of(folder)]
    if not files:
        raise DataError(f"{root}: holds no pictures (jpg, jpeg, png, webp, bmp, tif, tiff), nor do its folders")
    return files


def _state(root: Path, file: Path) -> tuple[str, str, str]:
    """Its name, and what changes when it does."""
    name = os.path.relpath(file, root)
    try:
        found = file.stat()
    except OSError:
        return name, "", ""
    return name, str(found.st_size), str(found.st_mtime_ns)


def _known(kept: Path, model: str) -> dict[tuple[str, ...], tuple[str, str, str, str]]:
    """Score, share, novelty and fault by a picture's state; a row that was cut off counts for nothing."""
    if not kept.exists():
        return {}
    with kept.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = [row for row in csv.reader(stream) if len(row) == len(_COLUMNS) and row[0] == model]
    return {tuple(row[1:4]): (row[4], row[5], row[6], row[7]) for row in rows}


def _score(predictor: Predictor, file: Path) -> tuple[str, str, str, str]:
    try:
        maps = predict_frame(predictor, load_image(file))
    except DataError as error:
        return "nan", "nan", "0", " ".join(str(error).split())
    score, unsure = knowledge_gap(maps)
    return f"{score:.6f}", f"{unsure:.6f}", f"{maps.novelty or 0.0:.4f}", ""


def _named(chosen: Iterable[Scored], count: int) -> dict[Path, str]:
    """What the copies are called: their rank, then their name, in UTF-8 and not too long whatever it was."""
    digits = max(3, len(str(count)))
    names = {}
    for rank, each in enumerate(chosen, start=1):
        stem = os.fsencode(each.file.stem).decode("utf-8", "replace")[:_NAME_CHARACTERS]
        names[each.file] = f"{rank:0{digits}d}-{stem}{each.file.suffix.lower()}"
    return names


def _write_frames(
    predictor: Predictor, chosen: Sequence[Scored], names: dict[Path, str], folder: Path, console: Console
) -> None:
    """A copy of each picture with its labelme file, which is written first: a picture without one would count as free of smoke."""
    folder.mkdir(exist_ok=True)
    threshold = _EVEN if predictor.threshold is None else predictor.threshold
    for each in _shown(chosen, "drawing", console):
        image = load_image(each.file)
        rings = smoke_outlines(predict_frame(predictor, image), threshold, predictor.minimum_region, image.shape)
        copy = folder / names[each.file]
        remark = f"drawn by {predictor.description}, to be put right; {_reason(each)}"
        write_labelme(copy, (image.shape[1], image.shape[0]), rings, remark)
        shutil.copyfile(each.file, copy)


def _write_sheet(predictor: Predictor, chosen: Sequence[Scored], path: Path) -> None:
    frames = [Frame(each.file, None, "clear", "") for each in chosen[:_SHOWN]]
    if not frames:
        return
    sheet = contact_sheet(predictor, frames, _EVEN if predictor.threshold is None else predictor.threshold)
    write_png(sheet, path)


def _write_ranking(
    root: Path, scored: Sequence[Scored], rows: Sequence[Chosen], names: dict[Path, str], path: Path
) -> None:
    """A row a picture: first those chosen and what is like them, then the rest by score, then what cannot be read."""
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow(("rank", "file", "score", "unsure", "why", "frame"))
    table.writerows(_lines(root, scored, rows, names))
    write_whole(stream.getvalue().encode(errors="surrogateescape"), path)


def _lines(
    root: Path, scored: Sequence[Scored], rows: Sequence[Chosen], names: dict[Path, str]
) -> Iterator[tuple[object, ...]]:
    rank = 0
    for each, alike in rows:
        rank += alike is None
        why = f"like {alike.file} ({alike.correlation:.2f})" if alike else _reason(each)
        numbers = f"{each.score:.5f}", f"{each.unsure:.4f}"
        yield ("" if alike else rank, each.file.relative_to(root), *numbers, why, names.get(each.file, ""))
    done = {row.scored.file for row in rows}
    rest = sorted((each for each in scored if each.file not in done), key=lambda each: (bool(each.fault), -each.score))
    for each in rest:
        why = each.fault or "below those chosen"
        yield "", each.file.relative_to(root), f"{each.score:.5f}", f"{each.unsure:.4f}", why, ""


def _reason(each: Scored) -> str:
    if not each.unsure:
        drawn = f"novelty {each.novelty:.2f}" if each.novelty else "drawn at random"
        return f"sure everywhere, {drawn}"
    epistemic = each.score / each.unsure**0.5
    return f"epistemic {epistemic:.4f} nats where it is not sure, on {each.unsure:.2%} of the frame"


def _tell(options: argparse.Namespace, scored: Sequence[Scored], rows: Sequence[Chosen], console: Console) -> None:
    chosen = sum(row.alike is None for row in rows)
    sure = sum(row.alike is None and not row.scored.unsure for row in rows)
    faults = [each for each in scored if each.fault]
    lines = [
        f"{len(scored):,} pictures, {chosen:,} chosen, {len(rows) - chosen:,} like one of these or one labelled left out"
    ]
    if sure:
        drawn = (
            "of which it took the most novel" if any(each.novelty for each in scored) else "which were drawn at random"
        )
        lines.append(f"the model is sure everywhere of {sure:,} of those chosen, {drawn}")
    if faults:
        lines.append(f"{len(faults):,} cannot be read, the first: {faults[0].fault}")
    if chosen < options.count:
        lines.append(
            f"no more than {chosen:,} differ; with more than {options.near:g} for --near, pictures count that are more alike"
        )
    lines.append(
        f"{options.out / FRAMES}: put right in labelme what the model drew there, and train on that folder; {RANKING} says why each, "
        f"{SHEET} shows the first"
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
