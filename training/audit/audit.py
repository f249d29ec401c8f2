"""A data set -> what an engineer should know of it before training: one report as JSON, text and a page."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.geometry import RGB
from training.audit.doubtful import doubtful_masks
from training.audit.leaks import duplicates, leakage, pairs_of
from training.audit.survey import Surveyed, survey
from training.data.files import write_whole
from training.data.frames import BOXED, SCRIBBLED, SYNTHETIC, Frame, load_image, load_mask
from training.evaluation.pictures import outline
from training.evaluation.predictor import Predictor
from training.evaluation.templates import render

_SHOWN = 12
_TILE_PX = 240
_YELLOW = (255, 255, 0)
_SIZES = ((0.0, "none"), (0.001, "under 0.1 %"), (0.01, "0.1 % to 1 %"), (0.05, "1 % to 5 %"), (1.0, "over 5 %"))
"""Largest share of the frame, and its name."""


def audit(roots: Sequence[Path], predictor: Predictor | None = None) -> tuple[dict[str, Any], list[Surveyed]]:
    """Look at every frame of the folders.

    Args:
        roots: Data folders, of any layout.
        predictor: A model that says which masks it finds unlikely; None leaves that out.

    Returns:
        The report, of what JSON knows, and the frames as they were surveyed.

    Raises:
        DataError: A folder is of no known layout, or an annotation cannot be read.
    """
    surveyed = survey(roots)
    pairs = pairs_of(surveyed)
    report = {
        "folders": [str(root) for root in roots],
        "frames": _counted(surveyed),
        "groups": {
            split: len({each.frame.group for each in surveyed if each.split == split}) for split in ("train", "val")
        },
        "faults": [each.fault for each in surveyed if each.fault],
        "picture_sizes": _most_common(f"{each.size[0]} x {each.size[1]}" for each in surveyed if not each.fault),
        "empty_masks": [str(each.frame.image) for each in surveyed if each.smoke == 0.0],
        "smoke_sizes": _smoke_sizes(surveyed),
        "smoke_places": [sum(each.place == place for each in surveyed) for place in range(9)],
        "duplicates": duplicates(surveyed),
        "near_duplicate_pairs": len(pairs),
        "frames_with_a_near_duplicate": len({place for pair in pairs for place in pair[:2]}),
        "mirrored_pairs": sum(pair.mirrored for pair in pairs),
        "leakage": leakage(surveyed, pairs),
    }
    if predictor:
        found = doubtful_masks(surveyed, predictor, _SHOWN)
        report["doubtful_masks"] = [{"file": str(each.frame.image), "surprise_nats": nats} for nats, each in found]
    return report, surveyed


def write_audit(report: dict[str, Any], surveyed: Sequence[Surveyed], out: Path) -> None:
    """`audit.json`, `audit.md` and `audit.html`, which holds its pictures and needs no other file."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "audit.md").write_text(as_text(report), encoding="utf-8", errors="backslashreplace")
    page = render(Path(__file__).with_name("page.html.jinja"), {"report": report, "sheets": _sheets(report, surveyed)})
    (out / "audit.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    write_whole(json.dumps(report, indent=2) + "\n", out / "audit.json")


def as_text(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    return render(Path(__file__).with_name("audit.md.jinja"), {"report": report})


def table_row(report: dict[str, Any], name: str) -> str:
    """The row of Table 1 of Yan et al. 2022 that this data set would have: size, type, annotation."""
    kinds = Counter({kind: sum(of.values()) for kind, of in report["frames"].items()})
    synthetic = kinds[SYNTHETIC]
    kind = "Synthetic" if synthetic == kinds.total() else "Mixed" if synthetic else "Real"
    weak = kinds[BOXED] + kinds[SCRIBBLED]
    return f"| {name} | {kinds.total()} | {kind} | {'X' if weak else ''} | {'X' if kinds.total() > weak else ''} |"


def _counted(surveyed: Sequence[Surveyed]) -> dict[str, dict[str, int]]:
    """Kind -> split -> frames."""
    counts = Counter((each.frame.kind, each.split) for each in surveyed)
    return {
        kind: {split: counts[kind, split] for split in ("train", "val")}
        for kind in sorted({kind for kind, _ in counts})
    }


def _smoke_sizes(surveyed: Sequence[Surveyed]) -> dict[str, int]:
    shares = [each.smoke for each in surveyed if each.smoke is not None]
    places = [next(index for index, (most, _) in enumerate(_SIZES) if share <= most) for share in shares]
    return {name: places.count(index) for index, (_, name) in enumerate(_SIZES)}


def _most_common(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common(8))


def _sheets(report: dict[str, Any], surveyed: Sequence[Surveyed]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Title, and pictures with their captions, as data addresses."""
    smoke = sorted((each for each in surveyed if each.smoke), key=lambda each: each.smoke or 0.0)
    chosen = {
        "Smallest smoke": smoke[:_SHOWN],
        "Largest smoke": smoke[::-1][:_SHOWN],
        "Smoke, evenly over its sizes": [
            smoke[int(place)] for place in np.linspace(0, len(smoke) - 1, min(_SHOWN, len(smoke)))
        ],
    }
    sheets = [(title, [(_tile(each.frame), f"{each.smoke:.3%}") for each in of]) for title, of in chosen.items() if of]
    by_file = {str(each.frame.image): each.frame for each in surveyed}
    leaks = report["leakage"]["near_duplicate"]["pairs"][: _SHOWN // 2]
    sheets.append(
        (
            "Val beside its near-duplicate in train",
            [(_tile(by_file[file]), Path(file).name) for pair in leaks for file in pair],
        )
    )
    doubted = report.get("doubtful_masks", [])
    sheets.append(
        (
            "Masks that the model finds least likely",
            [(_tile(by_file[each["file"]]), Path(each["file"]).name) for each in doubted],
        )
    )
    return [(title, tiles) for title, tiles in sheets if tiles]


def _tile(frame: Frame) -> str:
    """The picture with its mask's outline, as a JPEG in a data address."""
    image = load_image(frame.image)
    marked: RGB = outline(image, load_mask(frame, image.shape) >= 0.5, _YELLOW) if frame.mask else image
    height, width = marked.shape[:2]
    small = cv2.resize(marked, (_TILE_PX, max(1, round(_TILE_PX * height / width))), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
