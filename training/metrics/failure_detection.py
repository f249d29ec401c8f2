"""Does doubt earn its keep? Regions that the model found, right or wrong, ranked by what it says of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from models.gate import QUANTITIES
from training.metrics.bootstrap import by_group, interval
from training.metrics.regions import SCORES, RegionMatch

_RIDGE = 1e-2
"""Penalty on the squared weights of standardised quantities: total is aleatoric + epistemic, and false regions are few."""

_Values = npt.NDArray[np.float64]


class LogisticScore(NamedTuple):
    """Logistic regression: the log odds of a region being false are `weights` times its quantities, plus `intercept`.

    Attributes:
        weights: By the names of `models.gate.QUANTITIES`, per nat, and per unit of 1 - probability.
        intercept: In log odds.
    """

    weights: dict[str, float]
    intercept: float

    def score(self, region: RegionMatch) -> float:
        """Log odds of being false."""
        return self.intercept + sum(weight * region.detection.means[name] for name, weight in self.weights.items())


def auroc(doubt: Sequence[float], false: Sequence[bool]) -> float:
    """The probability that a false region is doubted more than a true one, ties counting half; nan without both.

    Source: Mann and Whitney 1947: AUROC = U / (n_false n_true).
    """
    values, wrong = np.asarray(doubt, np.float64), np.asarray(false, np.bool_)
    if not wrong.any() or wrong.all():
        return float("nan")
    ranks = stats.rankdata(values)
    false_regions, true_regions = wrong.sum(), (~wrong).sum()
    statistic = ranks[wrong].sum() - false_regions * (false_regions + 1) / 2.0
    return float(statistic / (false_regions * true_regions))


def report_doubt(regions: Sequence[RegionMatch], many: Sequence[RegionMatch]) -> dict[str, Any]:
    """AUROC of each score at telling false from true regions, and how many there were of both.

    Args:
        regions: To rank.
        many: To fit the combination on; they may be the same.

    Returns:
        Counts; AUROC of each of SCORES and of the `combination` that is fitted on the other camera groups; under `intervals` those of
        camera groups resampled; and `epistemic_minus_confidence`, the paper's claim: AUROC of epistemic less that of 1 - mean
        probability, with its interval.
    """
    doubts = [{score: region.doubt(score) for score in SCORES} for region in regions]
    combined = cross_fitted(regions, many)
    rows = [(r, d | {"combination": c}) for r, d, c in zip(regions, doubts, combined, strict=True)]
    groups = by_group([(region.frame.group, (not region.true, doubt)) for region, doubt in rows])
    everything = [item for group in groups.values() for item in group]
    names = (*SCORES, "combination")
    return {
        "true_regions": sum(region.true for region in regions),
        "false_regions": sum(not region.true for region in regions),
        "false_on_smoke_frames": sum(not region.true and region.frame.mask is not None for region in regions),
        **{name: _auroc_of(name, everything) for name in names},
        "intervals": {name: interval(groups, partial(_auroc_of, name)) for name in names},
        "epistemic_minus_confidence": _advantage(everything),
        "epistemic_minus_confidence_interval": interval(groups, _advantage),
    }


def fit_logistic_score(regions: Sequence[RegionMatch]) -> LogisticScore | None:
    """Logistic regression of being false on the quantities, standardised, with a small ridge; None without both kinds."""
    false = np.array([not region.true for region in regions], np.float64)
    if not 0 < false.sum() < len(false):
        return None
    quantities = np.array([[region.detection.means[name] for name in QUANTITIES] for region in regions])
    centre, spread = quantities.mean(axis=0), quantities.std(axis=0)
    spread[spread < 1e-9] = np.inf  # what does not vary weighs nothing
    standard = np.column_stack([(quantities - centre) / spread, np.ones(len(false))])

    def loss(weights: _Values) -> tuple[float, _Values]:
        odds = standard @ weights
        penalty = np.append(_RIDGE * weights[:-1], 0.0)
        value = np.mean(np.logaddexp(0.0, odds) - false * odds) + 0.5 * float(penalty @ weights)
        return float(value), standard.T @ (special.expit(odds) - false) / len(false) + penalty

    found = optimize.minimize(loss, np.zeros(standard.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return LogisticScore(dict(zip(QUANTITIES, weights.tolist(), strict=True)), float(found[-1] - weights @ centre))


def cross_fitted(regions: Sequence[RegionMatch], many: Sequence[RegionMatch]) -> list[float]:
    """Every region's log odds of being false by a fit on those of many of other camera groups; 0 where these are of one kind."""
    fits = {
        group: fit_logistic_score([region for region in many if region.frame.group != group])
        for group in {region.frame.group for region in regions}
    }
    chosen = [(region, fits[region.frame.group]) for region in regions]
    return [combination.score(region) if combination else 0.0 for region, combination in chosen]


_Item = tuple[bool, dict[str, float]]


def _auroc_of(name: str, items: Sequence[_Item]) -> float:
    return auroc([doubt[name] for _, doubt in items], [false for false, _ in items])


def _advantage(items: Sequence[_Item]) -> float:
    return _auroc_of("epistemic", items) - _auroc_of("one_minus_probability", items)
