"""`compare`: networks of a library beside ours on the same data, encoder weights, samples and schedule; as Tables 2 and 3."""

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.segmenter import SmokeSegmenter
from training.commands.studies.study import Row, Study, train_rows
from training.commands.studies.table import SHOWN_SCORES, score_cell
from training.config import ConfigError
from training.data.files import write_whole
from training.engine.checkpoint import LAST
from training.engine.networks import build_segmenter, load_segmenter

ABSENT = (
    "Of Table 3, F3Net, BASNet, SCRN and ITSD are absent: no kept library has them. UCNet's CVAE is here without its second branch, "
    "which sees the truth. Of Table 2, SMD, LRN, HG-Net8, LKM, RefineNet, CCL, DFN, DSS, W-Net and CGRNet are absent too."
)
_PLAIN = ("generator.objective.coherence_weight=0", "generator.objective.entropy_weight=0")
_SHOWN = ("mMSE", "F-beta", "ECE as trained", "false alarms")
_TIMED = 5


def rows_to_compare(names: Sequence[str]) -> list[Row]:
    """Ours, UCNet's CVAE (no dropout, with z, eq. 2 alone), and networks of the library by name (the structure loss alone)."""
    library = [Row(f"library-{name.lower()}", name, (f'network.library="{name}"', *_PLAIN)) for name in names]
    return [Row("ours", "ours"), Row("ucnet-cvae", "UCNet's CVAE", ("network.dropout=0", *_PLAIN)), *library]


def compare_networks(names: Sequence[str], study: Study) -> list[dict[str, Any]]:
    """Train and score ours and the others; what is done already is not done again, but timed.

    Args:
        names: Of the library's networks.
        study: Its configuration is ours; its folder gets `comparison.json` and `comparison.md`.

    Raises:
        ConfigError, LibraryError: A network cannot be had, before anything is trained.
    """
    rows = rows_to_compare(names)
    if again := [name for name, count in Counter(name.lower() for name in names).items() if count > 1]:
        raise ConfigError(f"found network {again[0]!r} twice, expected each once")
    for row in rows:
        build_segmenter(study.resolved(*row.overrides).network, pretrained=False)
    measured = []
    for row, scored in zip(rows, train_rows(rows, study), strict=True):
        measured.append(scored | _cost(study.out / row.name / LAST))
        write_whole(json.dumps(measured, indent=2) + "\n", study.out / "comparison.json")
        write_whole(comparison_table(measured), study.out / "comparison.md")
    return measured


def comparison_table(measured: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown, scores with 95 % intervals, and what is absent."""
    lines = [
        f"| | views | {' | '.join(_SHOWN)} | parameters | ms on this CPU |",
        f"| --- |{' --- |' * (len(_SHOWN) + 3)}",
    ]
    for row in measured:
        scores = " | ".join(score_cell(row[name], SHOWN_SCORES[name]) for name in _SHOWN)
        lines.append(f"| {row['what']} | {row['views']:,} | {scores} | {row['parameters']:,} | {row['ms']:.0f} |")
    return "\n".join(lines) + f"\n\n{ABSENT}\n"


def _cost(checkpoint: Path) -> dict[str, Any]:
    """Parameters of what answers a frame, and the median time of one frame in it: of a library's network nothing of ours counts."""
    segmenter, config = load_segmenter(checkpoint)
    parts: nn.Module = segmenter.generator if config.network.library else segmenter
    frame = torch.zeros((1, config.data.size_px, config.data.size_px, 3), dtype=torch.uint8)
    answer = _library_answer(segmenter) if config.network.library else segmenter
    return {
        "parameters": sum(parameter.numel() for parameter in parts.parameters()),
        "ms": _milliseconds(answer, frame),
    }


def _library_answer(segmenter: SmokeSegmenter) -> Callable[[Tensor], Tensor]:
    latent = torch.zeros((1, 1))
    return lambda frame: torch.sigmoid(segmenter.generator(segmenter.normalise(frame.permute(0, 3, 1, 2)), latent))


@torch.inference_mode()
def _milliseconds(answer: Callable[[Tensor], object], frame: Tensor) -> float:
    answer(frame)
    found = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        answer(frame)
        found.append(1000.0 * (time.perf_counter() - started))
    return statistics.median(found)
