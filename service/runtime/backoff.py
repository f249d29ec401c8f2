"""Pauses between attempts that grow with each failure in a row."""

import random
from dataclasses import dataclass
from typing import Final

_DOUBLINGS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first_s` after a first failure, twice as long after each further one, up to `longest_s`."""

    first_s: float = 0.5
    longest_s: float = 30.0

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row; none after none."""
        return (
            float(min(self.longest_s, self.first_s * 2 ** min(failures - 1, _DOUBLINGS_MAX))) if failures > 0 else 0.0
        )

    def scattered(self, failures: int) -> float:
        """The same less a random part of up to half, so that many do not come back at once."""
        return self.after(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
