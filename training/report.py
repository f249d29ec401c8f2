"""The Markdown form of an evaluation report."""

from collections.abc import Mapping
from typing import Any

_HEADER = (
    "| | threshold | F-beta | IoU | mMSE | all-zero's mMSE | detected | false alarms |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def markdown(report: Mapping[str, Any]) -> str:
    """Tables of a report as `evaluate` makes it."""
    low, high = report["f_beta_interval"]
    return (
        f"# {report['model']} on split `{report['split']}`\n\n"
        "F-beta: beta^2 = 0.3, per frame at the threshold, mean over frames with smoke. Detected: frames with smoke on which a\n"
        "region of at least 0.02 % of the frame overlaps it. False alarms: smoke-free frames with any such region.\n\n"
        f"{_HEADER}"
        f"{_row('threshold fitted on the other groups', report['cross_fitted'])}"
        f"{_row('one threshold for all', report['at_threshold'])}\n"
        f"95 % interval of the F-beta at one threshold, camera groups resampled: [{low:.3f}, {high:.3f}]. "
        f"Maximal F-beta over thresholds: {report['maximal_f_beta']:.3f}. ECE over all pixels, 15 bins: {report['ece']:.4f}.\n\n"
        f"## By size of the smoke\n\n{_HEADER}{_rows(report['by_size'])}\n"
        f"## By camera group\n\n{_HEADER}{_rows(report['by_group'])}"
    )


def _rows(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    return "".join(_row(name, summary) for name, summary in summaries.items())


def _row(name: str, summary: Mapping[str, Any]) -> str:
    smoke, free = summary["smoke_frames"], summary["smoke_free_frames"]
    with_smoke = (
        f"{summary['f_beta']:.3f} | {summary['iou']:.3f} | {summary['mean_squared_error']:.5f} | {summary['zero_error']:.5f} | "
        f"{round(summary['detection_rate'] * smoke)} of {smoke}"
        if smoke
        else "- | - | - | - | -"
    )
    alarms = f"{round(summary['false_alarm_rate'] * free)} of {free}" if free else "-"
    return f"| {name} | {summary['threshold']:.3f} | {with_smoke} | {alarms} |\n"
