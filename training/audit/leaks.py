"""Duplicates, and what of one split is seen in the other."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from training.audit.descriptor import NearPair, near_pairs
from training.audit.survey import Surveyed


def pairs_of(surveyed: Sequence[Surveyed]) -> list[NearPair]:
    """Near-duplicates among the frames that could be read; places are of `surveyed`."""
    seen = [(place, each.descriptor) for place, each in enumerate(surveyed) if each.descriptor is not None]
    if not seen:
        return []
    places = [place for place, _ in seen]
    found = near_pairs(np.stack([descriptor for _, descriptor in seen]))
    return [pair._replace(first=places[pair.first], second=places[pair.second]) for pair in found]


def duplicates(surveyed: Sequence[Surveyed]) -> list[list[str]]:
    """Files of the same pixels, by the set."""
    alike: dict[str, list[str]] = defaultdict(list)
    for each in surveyed:
        if not each.fault:
            alike[each.digest].append(str(each.frame.image))
    return [files for files in alike.values() if len(files) > 1]


def leakage(surveyed: Sequence[Surveyed], pairs: Sequence[NearPair]) -> dict[str, Any]:
    """Frames of val whose like is in train: of the same pixels, of the same scene, of the same camera or event.

    Returns:
        Per kind the number of frames of val and pairs of files that show it, of val and of train; `val` is how many there are.
    """
    val = [place for place, each in enumerate(surveyed) if each.split == "val"]
    seen = {
        "same_picture": _across(surveyed, lambda each: each.digest),
        "near_duplicate": _nearest_across(surveyed, pairs),
        "same_group": _across(surveyed, lambda each: each.frame.group),
    }
    named = {
        kind: {"frames": len(found), "pairs": [_files(surveyed, *pair) for pair in sorted(found.items())]}
        for kind, found in seen.items()
    }
    return {"val": len(val), "train": len(surveyed) - len(val), **named}


def _across(surveyed: Sequence[Surveyed], key: Callable[[Surveyed], Hashable]) -> dict[int, int]:
    """Place in val -> a place in train of the same key."""
    train = {
        key(each): place for place, each in reversed(list(enumerate(surveyed))) if each.split == "train" and key(each)
    }
    return {
        place: train[key(each)] for place, each in enumerate(surveyed) if each.split == "val" and key(each) in train
    }


def _nearest_across(surveyed: Sequence[Surveyed], pairs: Sequence[NearPair]) -> dict[int, int]:
    """Place in val -> the most similar place in train that is a near-duplicate."""
    best: dict[int, tuple[float, int]] = {}
    for pair in pairs:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if surveyed[one].split == "val" and surveyed[other].split == "train":
                best[one] = max(best.get(one, (0.0, other)), (pair.correlation, other))
    return {place: other for place, (_, other) in best.items()}


def _files(surveyed: Sequence[Surveyed], val: int, train: int) -> list[str]:
    return [str(surveyed[val].frame.image), str(surveyed[train].frame.image)]
