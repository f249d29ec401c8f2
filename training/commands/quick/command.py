"""`quick`: from a folder of frames to a model of one's own, and a page that says whether to use it; each step's output is kept."""

import argparse
import base64
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from models.manifest import newest_release
from training.audit.audit import audit, write_audit
from training.audit.split import KEYS, split_without_leaks, write_split
from training.audit.survey import survey
from training.commands.progress import TerminalReporter
from training.commands.quick.schedule import schedule
from training.commands.quick.verdict import measure_frames, paired, verdict
from training.config import Config, ConfigError
from training.data.checks import check_frames
from training.data.files import write_whole
from training.data.folders import frames_of_val, read_frames
from training.data.frames import REAL_SMOKE, Frame, frames_sha256
from training.data.layouts.layout import read_layout
from training.engine.run import train
from training.evaluation.calibrate import calibrate
from training.evaluation.evaluate import evaluate, write
from training.evaluation.predictor import Predictor, load_predictor, looking_closer
from training.evaluation.templates import render
from training.release.export import export

PAGE = "index.html"
WORDS = {
    "better": "it got better",
    "not shown": "not shown to be better than {start}",
    "worse": "do not use it, keep {start}",
}
_VAL = (0.25, 0.35, 0.5)
"""Shares of the frames that are tried for val."""
_SHEETS = ("contact_sheet.png", "worst.png")


@dataclass(frozen=True, slots=True)
class Quick:
    """What is asked for.

    Attributes:
        folders: Data folders.
        out: Gets every step's output.
        start: Release folder or checkpoint that is taught on.
        minutes: For all of it.
        overrides: Of the preset `quick`, as on the command line.
        version: Of the release that is made.
    """

    folders: Sequence[Path]
    out: Path
    start: Path
    minutes: float
    overrides: Sequence[str]
    version: str


def run_quick(options: argparse.Namespace, console: Console) -> None:
    """`quick`: what came of it in a few lines."""
    start = options.model or newest_release()
    asked = Quick(options.folders, options.out, start, options.minutes, options.overrides, options.version)
    result = quick(asked, console)
    f_beta = result["differences"]["f_beta"]
    low, high = f_beta["interval"]
    console.print(
        f"F-beta {f_beta['before']:.3f} before, {f_beta['after']:.3f} after, difference {f_beta['difference']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]: {WORDS[result['verdict']].format(start=start.name)}",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"all of it: {options.out / PAGE}", markup=False, soft_wrap=True)
    if result["verdict"] != "worse":
        console.print(f"serve it: {result['serve']}", markup=False, soft_wrap=True)


def quick(asked: Quick, console: Console) -> dict[str, Any]:
    """Audit, split, teach, evaluate, export; what is in the folder already is not done again.

    Returns:
        The `verdict`, what it is `because` of, the `differences` and the `release`; it stands in verdict.json too.

    Raises:
        ConfigError: The folder holds the work on other data, or from another model.
        DataError: The data cannot be used, or its val has smoke of fewer than two groups.
    """
    out = asked.out
    out.mkdir(parents=True, exist_ok=True)
    _expect_same(asked)
    _once(out / "audit/audit.json", lambda: write_audit(*audit(asked.folders), out / "audit"))
    console.print(f"audited: {out / 'audit/audit.html'}", markup=False, soft_wrap=True)
    data = _with_val(asked, console)
    frames = frames_of_val(data)
    check_frames(read_frames(data, "all"))
    config = schedule(asked.start, asked.minutes, asked.overrides, data, out / "config.json")
    steps = config.generator.stages[0].steps
    console.print(
        f"teaching {asked.start.name}: {steps:,} steps of {config.generator.stages[0].batch} frames", markup=False
    )
    with TerminalReporter(console, out / "run/tensorboard") as reporter:
        checkpoint = train(config, data, out / "run", reporter)
    console.print(f"scoring both on {len(frames)} frames of val", markup=False)
    found = _compare(asked, data, frames, checkpoint)
    release = out / "release" / f"{config.name}-{asked.version}"
    report = json.loads((out / "after/report.json").read_text(encoding="utf-8"))
    _once(release, lambda: export(checkpoint, release.parent, None, asked.version, report, _remark(asked, found)))
    result = {
        **found,
        "release": str(release),
        "serve": f"smoke-bvm serve --model-dir {shlex.quote(str(release.resolve()))}",
    }
    (out / "verdict.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _write_page(asked, result, config)
    return result


def _once(made: Path, make: Callable[[], object]) -> None:
    if not made.exists():
        make()


def _expect_same(asked: Quick) -> None:
    """Raises ConfigError where the folder was begun with something else; what is said once holds for the folder."""
    begun = asked.out / "quick.json"
    here = {
        "data": [str(folder.resolve()) for folder in asked.folders],
        "model": str(asked.start.resolve()),
        "minutes": asked.minutes,
        "set": list(asked.overrides),
        "frames_sha256": frames_sha256([frame for folder in asked.folders for _, frame in read_layout(folder)]),
    }
    if not begun.exists():
        write_whole(json.dumps(here, indent=2) + "\n", begun)
    found = json.loads(begun.read_text(encoding="utf-8"))
    if other := [name for name in here if name in found and found[name] != here[name]]:
        raise ConfigError(
            f"{begun}: begun with {other[0]} {found.get(other[0])!r}, found {here[other[0]]!r}; choose another --out, or remove it"
        )


def _with_val(asked: Quick, console: Console) -> list[Path]:
    """The folders as they are where they have a val; else one with a manifest whose val shows no scene of train."""
    if any(split == "val" for folder in asked.folders for split, _ in read_layout(folder)):
        return list(asked.folders)
    out = asked.out / "split"
    _once(out / "manifest.csv", lambda: write_split(_split(asked.folders), out))
    console.print(f"no val found, split without leaks: {out / 'manifest.csv'}", markup=False, soft_wrap=True)
    return [out]


def _split(folders: Sequence[Path]) -> list[tuple[str, str, Frame]]:
    """With as small a val as has smoke of two groups, where any has."""
    surveyed = survey(folders)
    for share in _VAL:
        rows = split_without_leaks(surveyed, KEYS[0], share, 0)
        if len({group for split, group, frame in rows if split == "val" and frame.kind == REAL_SMOKE}) > 1:
            break
    return rows


def _compare(asked: Quick, data: Sequence[Path], frames: Sequence[Frame], checkpoint: Path) -> dict[str, Any]:
    """Reports of both models in `before` and `after`, and what their difference on the same frames amounts to."""
    kept = asked.out / "differences.json"
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    before = load_predictor(asked.start)
    before = before if before.threshold is not None else calibrate(before, frames)[0]
    after, calibration = calibrate(looking_closer(load_predictor(checkpoint)), frames)
    for name, predictor, added in (("before", before, {}), ("after", after, {"calibration": calibration})):
        _report(predictor, data, asked.out / name, added)
    found = paired(measure_frames(before, frames), measure_frames(after, frames))
    answer, because = verdict(found)
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE]
    result = {
        "verdict": answer,
        "because": because,
        "differences": found,
        "frames": len(frames),
        "smoke_frames": len(smoke),
        "groups": len({frame.group for frame in frames}),
    }
    write_whole(json.dumps(result, indent=2) + "\n", kept)
    return result


def _report(predictor: Predictor, data: Sequence[Path], out: Path, added: dict[str, Any]) -> None:
    evaluation = evaluate(predictor, data, "val")
    evaluation.report.update(added)
    write(evaluation, out)


def _remark(asked: Quick, found: dict[str, Any]) -> str:
    return f"Taught on from {asked.start.name} by `smoke-bvm-train quick`; on its val: {found['verdict']}.\n"


def _write_page(asked: Quick, result: dict[str, Any], config: Config) -> None:
    out = asked.out
    audited = json.loads((out / "audit/audit.json").read_text(encoding="utf-8"))
    stage = config.generator.stages[0]
    values = {
        "result": result,
        "start": asked.start.name,
        "views": stage.steps * stage.batch,
        "split": (out / "split/manifest.csv").exists(),
        "leakage": audited["leakage"],
        "sheets": {name: {side: _picture(out / side / name) for side in ("before", "after")} for name in _SHEETS},
    }
    (out / PAGE).write_text(render(Path(__file__).with_name("page.html.jinja"), values), encoding="utf-8")


def _picture(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.exists() else ""
