"""Intervals by resampling camera groups: frames of one camera are near-duplicates, so whole cameras are drawn with replacement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
_T = TypeVar("_T")

Interval = list[float]
"""The 2.5 % and 97.5 % quantile over the resamples; nan where no resample gives a number."""


def by_group(items: Iterable[tuple[str, _T]]) -> dict[str, list[_T]]:
    """Items by their group, groups in alphabetical order."""
    groups: dict[str, list[_T]] = {}
    for group, item in items:
        groups.setdefault(group, []).append(item)
    return dict(sorted(groups.items()))


def interval(groups: Mapping[str, Sequence[_T]], statistic: Callable[[list[_T]], float]) -> Interval:
    """95 % interval of any statistic of the items of all groups."""
    members = list(groups.values())
    return _quantiles([statistic([item for index in draw for item in members[index]]) for draw in _draws(len(members))])


def mean_interval(groups: Mapping[str, Sequence[float]]) -> Interval:
    """95 % interval of a mean over items, without going through the items for each resample."""
    sums = np.array([[np.sum(values), len(values)] for values in groups.values()], np.float64).reshape(-1, 2)
    drawn = sums[_draws(len(sums))].sum(axis=1)
    return _quantiles(np.divide(drawn[:, 0], drawn[:, 1], np.full(len(drawn), np.nan), where=drawn[:, 1] > 0))


def _draws(groups: int) -> npt.NDArray[np.int64]:
    """Which groups each resample holds, (RESAMPLES, groups), the same at every call."""
    return np.random.default_rng(0).integers(0, max(groups, 1), (RESAMPLES if groups else 0, groups))


def _quantiles(values: npt.ArrayLike) -> Interval:
    measured = np.asarray(values, np.float64)
    measured = measured[~np.isnan(measured)]
    if not measured.size:
        return [float("nan"), float("nan")]
    low, high = np.quantile(measured, [0.025, 0.975])
    return [float(low), float(high)]
