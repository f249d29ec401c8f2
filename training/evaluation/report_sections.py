"""The sections of a report below its headline, each from its part of the report to Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.metrics.reliability import BOTH, TEMPERATURE

SINGLE = ("epistemic", "total", "aleatoric", "one_minus_probability", "epistemic_share")
FITTED = (TEMPERATURE, BOTH)
HELD_OUT = ", fitted on the other camera groups"
_HEADER = (
    "| | threshold | F-beta | IoU | precision | recall | mMSE | all-zero's mMSE | regions found | detected | false alarms |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
_DIGITS = {
    "f_beta": 3,
    "iou": 3,
    "precision": 3,
    "recall": 3,
    "mean_squared_error": 5,
    "zero_error": 5,
    "region_recall": 2,
    "detection_rate": 2,
    "false_alarm_rate": 3,
}
"""The columns after the threshold."""


def scores(report: Mapping[str, Any]) -> str:
    """Both thresholds, and the four readings of F-beta."""
    fitted = report["cross_fitted"]
    held_out = _row_with_interval("threshold fitted on the other groups", fitted) if fitted else ""
    return (
        "## Scores\n\nF-beta: beta^2 = 0.3, per frame at the threshold, mean over frames with smoke; IoU, precision and recall "
        "likewise, of pixels.\nRegions found: connected pieces of the truth that a predicted region of at least 0.02 % of the frame "
        "overlaps. Detected: frames\nwith smoke on which there is such a region. False alarms: smoke-free frames with any.\n\n"
        f"{_HEADER}{held_out}{_row_with_interval('one threshold for all', report['at_threshold'])}"
        f"{_readings(report['f_beta'])}"
    )


def sizes(by_size: Mapping[str, Mapping[str, Any]]) -> str:
    """One threshold for all, by the share of the frame that is smoke; and by that of the region itself."""
    rows = "".join(_row_with_interval(name, summary) for name, summary in by_size.items())
    own = ", ".join(
        f"{name} {summary['own_region_recall']['found']} of {summary['own_region_recall']['of']}"
        for name, summary in by_size.items()
    )
    return f"## By size of the smoke\n\n{_HEADER}{rows}\nRegions found by the region's own size: {own}."


def groups(by_group: Mapping[str, Mapping[str, Any]]) -> str:
    """One threshold for all, by camera group."""
    rows = "".join(_row(name, summary) for name, summary in by_group.items())
    return f"## By camera group\n\n{_HEADER}{rows.rstrip()}"


def calibration(report: Mapping[str, Any]) -> str:
    """The table of this model, and of the one beside it."""
    fitted = report.get("calibration")
    fit = f" Shown: temperature {fitted['temperature']:.3f}, shift {fitted['shift']:.3f}." if fitted else ""
    beside = report.get("beside")
    tables = [("", report["calibration_table"])]
    if beside:
        tables = [("with L_c: ", tables[0][1]), (f"without L_c ({beside['model']}): ", beside["calibration_table"])]
    rows = "".join(_calibration_row(f"{who}{name}", row) for who, table in tables for name, row in table.items())
    return (
        "## Calibration\n\nOver the pixels of all frames. ECE in 15 bins. `temperature` and `temperature and shift` are fitted with "
        f"each frame's camera\ngroup held out; `as shown` is what this model answers with.{fit}\n\n"
        "| probability | ECE, all pixels | ECE, those in [.05, .95] | Brier | NLL, nats |\n| --- | --- | --- | --- | --- |\n"
        f"{rows.rstrip()}"
    )


def selective(found: Mapping[str, Any]) -> str:
    """AURC and AUSE."""
    orders = [name for name in found if name not in ("coverage", "risk")]
    rows = "".join(f"| {words(name)} | {found[name]['aurc']:.6f} | {found[name]['ause']:.6f} |\n" for name in orders)
    whole = found["risk"]["oracle"][-1]
    return (
        f"## Leaving out doubtful pixels\n\nRisk: mean squared error of the pixels kept; {whole:.6f} when all are. AURC: its mean over "
        "all coverages; AUSE: what of it the\norder by true error would save. `risk_coverage.png` has the curves.\n\n"
        f"| left out first | AURC | AUSE |\n| --- | --- | --- |\n{rows.rstrip()}"
    )


def doubt(report: Mapping[str, Any]) -> str:
    """AUROC of every score, at the released threshold and at a lower one."""
    sets = (report["doubt"], report["doubt_at_lower_threshold"])
    header = "".join(f" threshold {found['threshold']:.3f} |" for found in sets)
    counts = "; ".join(
        f"at {found['threshold']:.3f} {found['true_regions']} regions overlap smoke and {found['false_regions']} do not, of which "
        f"{found['false_on_smoke_frames']} lie on frames with smoke"
        for found in sets
    )
    rows = "".join(
        f"| {words(name)} | {' | '.join(_ranked(found, name) for found in sets)} |\n"
        for name in (*SINGLE, "combination")
    )
    claims = "; ".join(f"at {found['threshold']:.3f} {claim(found)}" for found in sets)
    return (
        "## Doubt\n\nAUROC at telling false regions from true ones by their means over the region. Combination: logistic regression "
        f"on\nepistemic, total, aleatoric and 1 - mean probability, fitted on the other camera groups at the lower threshold.\n"
        f"Regions: {counts}.\n\n"
        f"| |{header}\n| --- |{' --- |' * len(sets)}\n{rows}\nDoes epistemic beat the confidence alone? {claims}."
    )


def claim(found: Mapping[str, Any]) -> str:
    """Whether epistemic beats 1 - mean probability, in words: only an interval on one side of 0 is an answer."""
    difference, (low, high) = found["epistemic_minus_confidence"], found["epistemic_minus_confidence_interval"]
    if number(difference) == "-":
        return "not measurable"
    answer = "yes" if low > 0 else "no" if high < 0 else "not shown"
    return f"{answer}: AUROC {difference:+.2f} {spread((low, high), 2)}"


def gate(found: Mapping[str, Any]) -> str:
    """What the gate does, in sample and held out."""
    names = ("false_alarm_frames", "false_regions", "detected_frames", "true_regions")
    lower = found["at_lower_threshold"]
    outcomes = (
        ("fitted on the other groups", found["cross_fitted"]),
        ("fitted on these frames", found["fitted"]),
        (f"at {found['lower_threshold']:.3f}, fitted on the other groups", lower["cross_fitted"]),
        (f"at {found['lower_threshold']:.3f}, fitted on these frames", lower["fitted"]),
    )
    rows = "".join(
        f"| {title} | {' | '.join(f'{before} to {after}' for before, after in (outcome[name] for name in names))} |\n"
        for title, outcome in outcomes
    )
    made = found["gate"]
    many = found["fitted_on"]["many"]
    what = (
        f"A region is doubted when {_weighted(made['weights'])} is at least {made['limit']:.3f}."
        if made
        else "No gate drops a false region within that."
    )
    return (
        f"## Gate\n\nCounts without the gate and with it; it may cost {found['lost_allowed']:.0%} of the regions and of the frames "
        f"detected. Its weights come from\n{many['false']} false and {many['true']} true regions at the lower threshold, its limit "
        f"from the released one's. {what}\nThe last two rows are of a gate whose limit is fitted at the lower threshold, which the "
        "service does not use: they say what doubt can\ndo where there are false regions enough.\n\n"
        "| | smoke-free frames with an alarm | false regions | detected frames | true regions |\n| --- | --- | --- | --- | --- |\n"
        f"{rows.rstrip()}"
    )


def sampling_free(found: Mapping[str, Any] | None) -> str:
    """One pass against sampling, and both forms of sampling; nothing where it was not measured."""
    if not found:
        return ""
    rows = "".join(
        f"| {name} | {who} | {values['spearman']:.3f} | {values['pearson']:.3f} | {values['error_nats']:.4f} |\n"
        for name in ("total", "aleatoric", "epistemic")
        for who, values in (("g_gamma", found[name]["estimator"]), ("trivial", found[name]["trivial"]))
    )
    best, seconds = found["f_beta"], found["seconds"]
    return (
        f"## One pass against {found['samples']} samples\n\n"
        f"{found['pixels']:,} pixels with a sampled total above 0.05 nats, of {found['frames']} frames. Trivial: H(s), for epistemic "
        "scaled to the right mean.\nSamples are not tempered: they are of the raw probability, as g_gamma sees it.\n\n"
        f"| | from | Spearman | Pearson | mean error, nats |\n| --- | --- | --- | --- | --- |\n{rows}\n"
        f"Mean |s - p_mu|: {found['mean_absolute_difference']:.5f}. F-beta of s and of p_mu: maximal {best['deployed']:.3f} and "
        f"{best['sampled']:.3f}, mean over\nthresholds {best['deployed_mean']:.3f} and {best['sampled_mean']:.3f}. One pass takes "
        f"{seconds['deployed'] * 1000:.0f} ms, sampling {seconds['sampled'] * 1000:.0f} ms: {seconds['ratio']:.1f} times as long."
        f"{_nested(found['nested'])}"
    )


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there was nothing to measure."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"


def spread(interval: Sequence[float | None], digits: int = 3) -> str:
    """An interval in brackets; nothing where it was not measured."""
    low, high = interval
    return "" if number(low) == "-" else f"[{number(low, digits)}, {number(high, digits)}]"


def words(name: str) -> str:
    """A name of the report as people read it."""
    return name.replace("one_minus_", "1 - ").replace("_", " ")


def _readings(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    intervals = found["intervals"]
    names = {
        "mean": "mean over the 256 thresholds",
        "adaptive": "adaptive",
        "maximal": f"maximal, at {found['best_threshold']:.3f}",
        "at_threshold": "at the one threshold",
    }
    told = ", ".join(f"{words} {found[name]:.3f} {spread(intervals[name])}" for name, words in names.items())
    return f"\nF-beta: {told}."


def _nested(found: Mapping[str, Any]) -> str:
    epistemic, aleatoric = found["epistemic"], found["aleatoric"]
    return (
        f"\n\nNested sampling, {found['masks']} dropout masks of {found['latents']} z each, averages over z inside the entropy, so "
        "that what z leaves open is all aleatoric:\naleatoric "
        f"{aleatoric['nested']:.4f} nats against {aleatoric['flat']:.4f} of the same samples, epistemic {epistemic['nested']:.4f} "
        f"against {epistemic['flat']:.4f}; mean distance {epistemic['distance']:.5f} nats."
    )


def _calibration_row(name: str, row: Mapping[str, Any]) -> str:
    return (
        f"| {name} | {row['ece']:.4f} {spread(row['ece_interval'], 4)} | {row['ece_unsure']:.4f} "
        f"{spread(row['ece_unsure_interval'], 4)} | {row['brier']:.5f} | {row['nll']:.5f} |\n"
    )


def _ranked(found: Mapping[str, Any], name: str) -> str:
    return f"{number(found[name])} {spread(found['intervals'][name], 2)}".strip()


def _weighted(weights: Mapping[str, float]) -> str:
    return " ".join(f"{weight:+.2f} {words(name)}" for name, weight in weights.items())


def _row_with_interval(name: str, summary: Mapping[str, Any]) -> str:
    cells = [spread(summary["intervals"][column], digits) or "-" for column, digits in _DIGITS.items()]
    return f"{_row(name, summary)}| 95 % interval | | {' | '.join(cells)} |\n"


def _row(name: str, summary: Mapping[str, Any]) -> str:
    counts = {
        "region_recall": summary["true_regions"],
        "detection_rate": summary["smoke_frames"],
        "false_alarm_rate": summary["smoke_free_frames"],
    }
    cells = [_cell(summary[column], digits, counts.get(column)) for column, digits in _DIGITS.items()]
    return f"| {name} | {number(summary['threshold'], 3)} | {' | '.join(cells)} |\n"


def _cell(value: float | None, digits: int, count: int | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if count is None else f"{round(value * count)} of {count}"
