"""The Markdown form of an evaluation report: the headline numbers on one page, then the details."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation import report_sections as details
from training.evaluation.feedback import feedback_table
from training.evaluation.report_sections import number, percent, spread
from training.metrics.reliability import reported_form


class ReportError(ValueError):
    """A file is no report of `evaluate`; the message names it and says what it lacks."""


def markdown(report: Mapping[str, Any]) -> str:
    """Tables of a report as `evaluate` makes it."""
    parts = (
        headline(report),
        details.scores(report),
        details.sizes(report["by_size"]),
        details.groups(report["by_group"]),
        details.calibration(report),
        details.selective(report["selective"]),
        details.doubt(report),
        details.gate(report["gate"]),
        details.sampling_free(report.get("sampling_free")),
        feedback_table(report["feedback"]) if report.get("feedback") else "",
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _subset(subset: Mapping[str, Any] | None) -> str:
    return f", subset `{subset['file']}` ({subset['frames']} frames)" if subset else ""


def headline(report: Mapping[str, Any]) -> str:
    """What was scored, and one line a number that the project is held to."""
    summary = report["cross_fitted"] or report["at_threshold"]
    how = "the threshold fitted on the other camera groups" if report["cross_fitted"] else "the model's own threshold"
    rows = [*_found(report, summary, how), *_calibrated(report), *_doubted(report), *_sampled(report)]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return (
        f"# {report['model']} on split `{report['split']}`{_subset(report.get('subset'))}{_tiled(report.get('tiles'))}\n\n"
        "In brackets: 95 % interval, camera groups resampled. The sections of report.md say what each number is.\n\n"
        f"| | | how |\n| --- | --- | --- |\n{lines.rstrip()}"
    )


def _tiled(tiles: str | None) -> str:
    return f", whole frame and {tiles} tiles" if tiles else ""


def _found(report: Mapping[str, Any], summary: Mapping[str, Any], how: str) -> list[Sequence[str]]:
    intervals = summary["intervals"]
    rows: list[Sequence[str]] = []
    if summary["smoke_frames"]:
        small = report["by_size"]["under 0.1 %"]
        share = summary["mean_squared_error"] / summary["zero_error"]
        rows += [
            ("F-beta", f"{summary['f_beta']:.3f} {spread(intervals['f_beta'])}", how),
            (
                "mMSE",
                f"{summary['mean_squared_error']:.5f}",
                f"{share:.2f} of the all-zero map's {summary['zero_error']:.5f}",
            ),
            ("regions of smoke found", f"{percent(summary['region_recall'])} of {summary['true_regions']}", how),
            (
                "the same, smoke under 0.1 % of the frame",
                f"{percent(small['region_recall'])} of {small['true_regions']} {spread(small['intervals']['region_recall'])}",
                "one threshold for all",
            ),
        ]
    if summary["smoke_free_frames"]:
        count = round(summary["false_alarm_rate"] * summary["smoke_free_frames"])
        alarms = f"{count} of {summary['smoke_free_frames']} {spread(intervals['false_alarm_rate'])}"
        rows.append(("smoke-free frames with an alarm", alarms, how))
    return rows


def _calibrated(report: Mapping[str, Any]) -> list[Sequence[str]]:
    name = reported_form(report)
    row = report["calibration_table"][name]
    how = f"{name}{details.HELD_OUT if name in details.FITTED else ''}"
    return [
        ("ECE, all pixels", f"{row['ece']:.4f} {spread(row['ece_interval'], 4)}", how),
        ("ECE, probability in [.05, .95]", f"{row['ece_unsure']:.3f} {spread(row['ece_unsure_interval'])}", how),
    ]


def _doubted(report: Mapping[str, Any]) -> list[Sequence[str]]:
    found = report["doubt_at_lower_threshold"]
    names = [name for name in (*details.SINGLE, "combination") if number(found[name]) != "-"]
    if not names:
        return []
    best = max(names, key=lambda name: found[name])
    of = f"{found['false_regions']} false regions, {found['true_regions']} true, at threshold {found['threshold']:.3f}"
    rows: list[Sequence[str]] = [
        (
            "AUROC of doubt",
            f"{number(found[best])} {spread(found['intervals'][best], 2)}",
            f"{details.words(best)}; {of}",
        ),
        ("the paper's claim", details.claim(found), "epistemic against 1 - mean probability, same regions"),
    ]
    gate = report["gate"]
    (before, after), (had, has) = gate["cross_fitted"]["false_regions"], gate["cross_fitted"]["true_regions"]
    rows.append(
        ("the gate", f"false regions {before} to {after}, true {had} to {has}", "fitted on the other camera groups")
    )
    return rows


def _sampled(report: Mapping[str, Any]) -> list[Sequence[str]]:
    found = report.get("sampling_free")
    if not found:
        return []
    epistemic, ratio = found["epistemic"], found["seconds"]["ratio"]
    return [
        (
            "one pass for sampling, epistemic",
            f"Spearman {epistemic['estimator']['spearman']:.3f}",
            f"trivial predictor {epistemic['trivial']['spearman']:.3f}; {found['samples']} samples take {ratio:.1f} times as long",
        )
    ]
