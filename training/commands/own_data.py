"""What the commands on a data set do: audit it, split it without leaks, and render one."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from training.audit.audit import as_text, audit, table_row, write_audit
from training.audit.split import split_without_leaks, write_split
from training.audit.survey import survey
from training.evaluation.predictor import load_predictor
from training.synthesis.folder import write_scenes


def run_audit(options: argparse.Namespace, console: Console) -> None:
    """`audit`: the report as JSON, text and a page, or the row of Table 1 alone."""
    report, surveyed = audit(options.folders, load_predictor(options.model) if options.model else None)
    if options.table:
        console.print(
            "| Dataset | Size | Type | Scribble or box | Mask |\n| --- | --- | --- | --- | --- |", markup=False
        )
        console.print(table_row(report, Path(options.folders[0]).resolve().name), markup=False)
        return
    write_audit(report, surveyed, options.out)
    console.print(Markdown(as_text(report)))
    console.print(f"audit.json, audit.md, audit.html are in {options.out}", markup=False)


def run_split(options: argparse.Namespace, console: Console) -> None:
    """`split`: a manifest.csv that leaves the pictures where they are."""
    surveyed = survey(options.folders)
    rows = split_without_leaks(surveyed, options.by, options.val, options.seed)
    manifest = write_split(rows, options.out)
    if faults := [each.fault for each in surveyed if each.fault]:
        console.print(
            f"{len(faults):,} frames left out, which cannot be used, the first: {faults[0]}",
            markup=False,
            soft_wrap=True,
        )
    for split in ("train", "val"):
        of = [(group, frame) for name, group, frame in rows if name == split]
        console.print(f"{split}: {len(of):,} frames of {len({group for group, _ in of}):,} groups", markup=False)
    console.print(f"written: {manifest}", markup=False)


def run_synthesize(options: argparse.Namespace, console: Console) -> None:
    """`synthesize`: rendered smoke over a folder of backgrounds, as a data folder."""
    sheet = write_scenes(options.backgrounds, options.count, options.seed, options.out, options.beside)
    console.print(f"{options.count:,} scenes are in {options.out}; look at {sheet}", markup=False)
