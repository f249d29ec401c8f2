"""Fits the gate: the doubt from which on a detection is held back, so that false alarms fall and next to no smoke is lost."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from models.gate import Gate
from training.data.smoke5k import REAL_SMOKE, Frame
from training.doubt import fit_combination
from training.findings import RegionScore

LOST = 0.02
"""Share of the detections that a gate may cost: of true regions, and of frames on which smoke is detected."""


class Regions(NamedTuple):
    """What a gate is fitted on.

    Attributes:
        many: At a lower threshold, where there are false regions enough to fit weights.
        released: At the released threshold, for which the limit is fitted and which the service shows.
    """

    many: Sequence[RegionScore]
    released: Sequence[RegionScore]

    def where(self, keep: Callable[[RegionScore], bool]) -> "Regions":
        """Those that a condition holds for."""
        return Regions([r for r in self.many if keep(r)], [r for r in self.released if keep(r)])


class Outcome(NamedTuple):
    """What a gate does to regions, each a pair: without it, with it.

    Attributes:
        false_alarm_frames: Smoke-free frames with a region.
        false_regions: Regions that overlap no smoke, on any frame.
        detected_frames: Frames with smoke on which a region overlaps it.
        true_regions: Regions that overlap smoke.
    """

    false_alarm_frames: tuple[int, int]
    false_regions: tuple[int, int]
    detected_frames: tuple[int, int]
    true_regions: tuple[int, int]


def fit_gate(regions: Regions) -> Gate | None:
    """Weights from the logistic regression on many regions; the limit that drops the most false released ones within LOST.

    Returns:
        None where the regions do not include both kinds, or where no limit drops a false region within LOST.
    """
    combination = fit_combination(regions.many)
    if combination is None:
        return None
    # The intercept does not order regions: a limit of its own takes its place.
    gate = Gate(combination.weights, 0.0)
    scores = np.unique([gate.score(region.detection.means) for region in regions.released])
    limits = [*((scores[1:] + scores[:-1]) / 2.0).tolist(), *scores[:1].tolist()]
    outcomes = [
        (limit, judge(regions.released, [_with_limit(gate, limit)] * len(regions.released))) for limit in limits
    ]
    kept = [(limit, outcome) for limit, outcome in outcomes if _is_affordable(outcome)]
    best = max(kept, key=lambda found: (*_gain(found[1]), found[0]), default=None)
    return _with_limit(gate, best[0]) if best and _gain(best[1])[0] else None


def report_gate(regions: Regions) -> dict[str, Any]:
    """The gate fitted on all camera groups, and what gates do that were fitted on the other groups than the one they judge.

    Returns:
        `gate`, as the manifest takes it, or None; `fitted`, what it does to what it was fitted on; `cross_fitted`; `fitted_on`, the
        counts of regions that gave weights and limit.
    """
    gate = fit_gate(regions)
    groups = {region.frame.group for region in regions.released}
    held_out = {group: fit_gate(regions.where(lambda r, group=group: r.frame.group != group)) for group in groups}  # type: ignore[misc]
    return {
        "gate": asdict(gate) if gate else None,
        "fitted": judge(regions.released, [gate] * len(regions.released))._asdict(),
        "cross_fitted": judge(regions.released, [held_out[r.frame.group] for r in regions.released])._asdict(),
        "fitted_on": {"many": _counts(regions.many), "released": _counts(regions.released)},
        "lost_allowed": LOST,
    }


def judge(regions: Sequence[RegionScore], gates: Sequence[Gate | None]) -> Outcome:
    """What is left of regions where each has its gate; None doubts nothing."""
    passed = [r for r, gate in zip(regions, gates, strict=True) if not (gate and gate.doubts(r.detection.means))]

    def pair(count: Callable[[Sequence[RegionScore]], int]) -> tuple[int, int]:
        return count(regions), count(passed)

    return Outcome(pair(_false_alarm_frames), pair(_false), pair(_detected_frames), pair(_true))


def _with_limit(gate: Gate, limit: float) -> Gate:
    return Gate(gate.weights, limit)


def _is_affordable(outcome: Outcome) -> bool:
    return all(before - after <= LOST * before for before, after in (outcome.true_regions, outcome.detected_frames))


def _gain(outcome: Outcome) -> tuple[int, int]:
    """False regions dropped; and, negative, true ones."""
    return (
        outcome.false_regions[0] - outcome.false_regions[1],
        outcome.true_regions[1] - outcome.true_regions[0],
    )


def _counts(regions: Sequence[RegionScore]) -> dict[str, int]:
    return {"true": _true(regions), "false": _false(regions)}


def _true(regions: Sequence[RegionScore]) -> int:
    return sum(region.true for region in regions)


def _false(regions: Sequence[RegionScore]) -> int:
    return sum(not region.true for region in regions)


def _frames(regions: Sequence[RegionScore]) -> int:
    frames: set[Frame] = {region.frame for region in regions}
    return len(frames)


def _detected_frames(regions: Sequence[RegionScore]) -> int:
    return _frames([region for region in regions if region.true])


def _false_alarm_frames(regions: Sequence[RegionScore]) -> int:
    return _frames([region for region in regions if region.frame.kind != REAL_SMOKE])
