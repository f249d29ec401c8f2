"""Fits the gate: the doubt from which on a detection is marked as a suspected false alarm, such that next to no smoke is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from models.gate import QUANTITIES, Gate
from training.data.frames import REAL_SMOKE
from training.metrics.failure_detection import fit_logistic_score
from training.metrics.regions import RegionMatch

LOST = 0.02
"""Share of the detections that a gate may cost: of true regions, and of frames on which smoke is detected."""


class GateRegions(NamedTuple):
    """What a gate is fitted on.

    Attributes:
        many: At a lower threshold, where there are false regions enough to fit weights.
        released: At the released threshold, for which the limit is fitted and which the service shows.
    """

    many: Sequence[RegionMatch]
    released: Sequence[RegionMatch]

    def without(self, group: str) -> "GateRegions":
        """Those of the other camera groups."""
        return GateRegions(*([region for region in regions if region.frame.group != group] for regions in self))


class GateOutcome(NamedTuple):
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


def fit_gate(regions: GateRegions) -> Gate | None:
    """The gate that drops the most false released regions within LOST, and of those the one that costs the fewest true ones.

    Weights are those of the logistic regression on many regions, or of one quantity alone.

    Returns:
        None where the regions do not include both kinds, or where no gate drops a false region within LOST.
    """
    combination = fit_logistic_score(regions.many)
    if combination is None:
        return None
    # The intercept does not order regions: a limit of its own takes its place.
    weights = [combination.weights, *({name: 1.0} for name in QUANTITIES)]
    gates = [gate for some in weights for gate in _gates(some, regions.released)]
    outcomes = [(gate, judge(regions.released, [gate] * len(regions.released))) for gate in gates]
    kept = [(gate, _gain(outcome)) for gate, outcome in outcomes if _is_affordable(outcome)]
    best = max(kept, key=lambda found: found[1], default=None)
    return best[0] if best and best[1][0] else None


def report_gate(regions: GateRegions) -> dict[str, Any]:
    """The gate fitted on all camera groups, and what gates do that were fitted on the other groups than the one they judge.

    Returns:
        `gate`, as the manifest takes it, or None where those of the other groups doubt no larger share of false regions than of
        true ones; `fitted`, what it does to what it was fitted on; `cross_fitted`; the same two under
        `at_lower_threshold`, of a gate whose limit is fitted on many regions too; `fitted_on`, the counts of regions that gave weights
        and limit.
    """
    gate, outcomes = _outcomes(regions)
    lower = _outcomes(GateRegions(regions.many, regions.many))[1]
    return {
        "gate": asdict(gate) if gate and _tells_apart(outcomes["cross_fitted"]) else None,
        **{name: outcome._asdict() for name, outcome in outcomes.items()},
        "at_lower_threshold": {name: outcome._asdict() for name, outcome in lower.items()},
        "fitted_on": {"many": _counts(regions.many), "released": _counts(regions.released)},
        "lost_allowed": LOST,
    }


def judge(regions: Sequence[RegionMatch], gates: Sequence[Gate | None]) -> GateOutcome:
    """What is left of regions where each has its gate; None doubts nothing."""
    passed = [r for r, gate in zip(regions, gates, strict=True) if not (gate and gate.doubts(r.detection.means))]

    def pair(count: Callable[[Sequence[RegionMatch]], int]) -> tuple[int, int]:
        return count(regions), count(passed)

    return GateOutcome(pair(_false_alarm_frames), pair(_false), pair(_detected_frames), pair(_true))


def _outcomes(regions: GateRegions) -> tuple[Gate | None, dict[str, GateOutcome]]:
    """The gate fitted on all groups, and what it and the gates fitted on the other groups do."""
    gate = fit_gate(regions)
    held_out = {group: fit_gate(regions.without(group)) for group in {r.frame.group for r in regions.released}}
    return gate, {
        "fitted": judge(regions.released, [gate] * len(regions.released)),
        "cross_fitted": judge(regions.released, [held_out[r.frame.group] for r in regions.released]),
    }


def _gates(weights: Mapping[str, float], regions: Sequence[RegionMatch]) -> list[Gate]:
    """The gates of these weights that part the regions differently, the highest limit first; the limits lie between two scores."""
    scores = np.unique([Gate(weights, 0.0).score(region.detection.means) for region in regions])[::-1]
    limits = [*((scores[1:] + scores[:-1]) / 2.0).tolist(), *scores[-1:].tolist()]
    # The further down, the more a gate drops: below what any may drop there is nothing to find.
    return [Gate(dict(weights), limit) for limit in limits[: _false(regions) + int(LOST * _true(regions))]]


def _is_affordable(outcome: GateOutcome) -> bool:
    return all(before - after <= LOST * before for before, after in (outcome.true_regions, outcome.detected_frames))


def _tells_apart(outcome: GateOutcome) -> bool:
    """Whether a larger share of the false regions is doubted than of the true ones."""
    false, true = ((before - after) / max(before, 1) for before, after in (outcome.false_regions, outcome.true_regions))
    return false > true


def _gain(outcome: GateOutcome) -> tuple[int, int]:
    """False regions dropped; and, negative, true ones."""
    return (
        outcome.false_regions[0] - outcome.false_regions[1],
        outcome.true_regions[1] - outcome.true_regions[0],
    )


def _counts(regions: Sequence[RegionMatch]) -> dict[str, int]:
    return {"true": _true(regions), "false": _false(regions)}


def _true(regions: Sequence[RegionMatch]) -> int:
    return sum(region.true for region in regions)


def _false(regions: Sequence[RegionMatch]) -> int:
    return sum(not region.true for region in regions)


def _detected_frames(regions: Sequence[RegionMatch]) -> int:
    return len({region.frame for region in regions if region.true})


def _false_alarm_frames(regions: Sequence[RegionMatch]) -> int:
    return len({region.frame for region in regions if region.frame.kind != REAL_SMOKE})
