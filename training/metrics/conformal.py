"""Learn-then-Test: how many smoke-free frames raise an alarm at a threshold, with an upper bound that holds with a chosen confidence.

Notation: n groups (cameras or scenes), r_g(t) the share of group g's smoke-free frames with a region at threshold t, R(t) their mean
over groups, alpha a rate, delta = 1 - confidence. A frame of a group says little beside its neighbours, so groups count, not frames.

    p(alpha) = min(exp(-n h(min(R, alpha), alpha)), e P(Binomial(n, alpha) <= ceil(n R)))       for H0: the expected rate exceeds alpha
    h(a, b)  = a ln(a / b) + (1 - a) ln((1 - a) / (1 - b))

Rates fall as thresholds rise, so thresholds are tested from the highest down until one is not rejected: that needs no correction for
having tested many.

Source: Angelopoulos, Bates, Candes, Jordan and Lei 2021, «Learn then Test», section 2 and proposition 1 (Hoeffding-Bentkus).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from training.metrics.bootstrap import by_group

CONFIDENCE = 0.95
"""1 - delta."""
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Alarms on smoke-free frames at one threshold.

    Attributes:
        threshold: The probability from which on a pixel counts.
        rate: R, the mean over groups of the share of frames with an alarm.
        upper_bound: No expected rate above it is consistent with R at the confidence.
    """

    threshold: float
    rate: float
    upper_bound: float


def rate_curve(alarms: Mapping[float, Sequence[tuple[str, float]]]) -> list[RatePoint]:
    """The rate and its bound at each threshold, from the lowest up; the bounds never rise with the threshold.

    Args:
        alarms: By threshold, for each smoke-free frame its group and whether it raised an alarm, or for each group the share that did.
            Nothing that raises them may have been fitted on these frames.
    """
    points: list[RatePoint] = []
    for threshold in sorted(alarms, reverse=True):
        rates = [float(np.mean(own)) for own in by_group(alarms[threshold]).values()]
        rate = float(np.mean(rates))
        bound = upper_bound(rate, len(rates))
        # A threshold counts only where every higher one does: the bound of the highest so far is the least that can be promised.
        points.append(RatePoint(threshold, rate, max([bound, *(point.upper_bound for point in points[-1:])])))
    return points[::-1]


def upper_bound(rate: float, groups: int) -> float:
    """The smallest alpha that is refuted at CONFIDENCE, in [rate, 1]: bisection of p(alpha) = delta."""
    low, high = rate, 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2.0
        low, high = (low, middle) if p_value(rate, groups, middle) <= 1.0 - CONFIDENCE else (middle, high)
    return high


def p_value(rate: float, groups: int, alpha: float) -> float:
    """Hoeffding-Bentkus p-value for «the expected rate exceeds alpha», where `groups` of them had the mean `rate`."""
    hoeffding = math.exp(-groups * _divergence(min(rate, alpha), alpha))
    bentkus = math.e * float(binom.cdf(math.ceil(groups * rate - 1e-9), groups, alpha))
    return min(hoeffding, bentkus, 1.0)


def _divergence(a: float, b: float) -> float:
    """h(a, b), the Kullback-Leibler divergence of two coins, in nats."""
    first = a * math.log(a / b) if a > 0 else 0.0
    return first + ((1 - a) * math.log((1 - a) / (1 - b)) if b < 1 else (math.inf if a < 1 else 0.0))
