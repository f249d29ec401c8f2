"""The gate: a score of doubt over a region's means, and the limit from which on a detection is doubted.

score(region) = sum over q of weight_q * mean of q over the region's pixels. Training fits weights and limit on camera groups held
out and writes them into the manifest; the service reads them there. Free of torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

QUANTITIES: Final = ("epistemic", "total", "aleatoric", "one_minus_probability")
"""What a gate may weigh: uncertainties in nats, and 1 - mean probability."""


class GateError(ValueError):
    """A gate that cannot be; the message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Gate:
    """When a detected region is doubted.

    Attributes:
        weights: Weight per quantity, some of QUANTITIES; one that is not named weighs nothing.
        limit: Score from which on, the limit included, a region is doubted.
    """

    weights: Mapping[str, float]
    limit: float

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not self.weights or self.weights.keys() - set(QUANTITIES):
            raise GateError(f"found gate weights {self.weights!r}, expected some of {', '.join(QUANTITIES)}")
        for name, number in (*self.weights.items(), ("limit", self.limit)):
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise GateError(f"found gate {name} {number!r}, expected a finite number")

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build a gate from decoded JSON.

        Raises:
            GateError: It is no object with the keys weights and limit, or a value is impossible.
        """
        if not isinstance(raw, dict) or set(raw) != {"weights", "limit"}:
            raise GateError(f"found gate {repr(raw)[:120]}, expected an object with the keys weights and limit")
        return cls(**raw)

    def score(self, means: Mapping[str, float]) -> float:
        """Doubt about a region, from its means by quantity; see `models.detection.Detection.means`.

        Raises:
            KeyError: A quantity that has a weight is missing.
        """
        return sum(weight * means[name] for name, weight in self.weights.items())

    def doubts(self, means: Mapping[str, float]) -> bool:
        """Whether a region with these means is doubted."""
        return self.score(means) >= self.limit
