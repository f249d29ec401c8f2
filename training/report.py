"""The Markdown form of an evaluation report."""

import math
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
        f"Maximal F-beta over thresholds: {report['maximal_f_beta']:.3f}.\n\n"
        f"{_calibration(report)}\n\n{_doubt(report['doubt'])}\n\n"
        f"{_sampling_free(report.get('sampling_free'))}"
        f"## By size of the smoke\n\n{_HEADER}{_rows(report['by_size'])}\n"
        f"## By camera group\n\n{_HEADER}{_rows(report['by_group'])}"
    )


def _calibration(report: Mapping[str, Any]) -> str:
    text = (
        f"## Calibration\n\nECE, 15 bins: {report['ece']:.4f} over all pixels, {report['ece_unsure']:.4f} over pixels with a "
        "probability in [.05, .95]."
    )
    fitted = report.get("calibration")
    if not fitted:
        return text
    return (
        f"{text} Temperature {fitted['temperature']:.3f} and shift {fitted['shift']:.3f} were fitted on these frames; fitted with each "
        f"frame's camera group held out, the two are {fitted['ece_held_out']:.4f} and {fitted['ece_unsure_held_out']:.4f}. Before: "
        f"{fitted['ece_before']:.4f}."
    )


def _doubt(found: Mapping[str, Any]) -> str:
    scores = {name: value for name, value in found.items() if "regions" not in name}
    ranks = ", ".join(f"{name.replace('_', ' ')} {_rank(value)}" for name, value in scores.items())
    return (
        f"## Doubt\n\n{found['true_regions']} regions overlap smoke, {found['false_regions']} do not. AUROC at telling the false "
        f"from the true by their means over the region: {ranks}."
    )


def _sampling_free(found: Mapping[str, Any] | None) -> str:
    """The table of one pass against sampling; nothing where it was not measured."""
    if not found:
        return ""
    rows = "".join(
        f"| {name} | {who} | {values['spearman']:.3f} | {values['pearson']:.3f} | {values['error_nats']:.4f} |\n"
        for name in ("total", "aleatoric", "epistemic")
        for who, values in (("g_gamma", found[name]["estimator"]), ("trivial", found[name]["trivial"]))
    )
    best, ratio = found["f_beta"], found["seconds"]["ratio"]
    return (
        f"## One pass against {found['samples']} samples\n\n"
        f"{found['pixels']:,} pixels with a sampled total above 0.05 nats, of {found['frames']} frames. Trivial: H(s), for epistemic "
        "scaled to the right mean.\n\n| | from | Spearman | Pearson | mean error, nats |\n| --- | --- | --- | --- | --- |\n"
        f"{rows}\nMean |s - p_mu|: {found['mean_absolute_difference']:.5f}. Maximal F-beta of s: {best['deployed']:.3f}, of p_mu: "
        f"{best['sampled']:.3f}. Sampling takes {ratio:.1f} times as long.\n\n"
    )


def _rank(value: float | None) -> str:
    """An AUROC, or a dash where there are not both true and false regions to tell apart."""
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"


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
