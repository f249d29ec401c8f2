"""When a call is made again: what may pass is waited for, as long as the service says or longer each time, up to a deadline."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.client.errors import ClientError, DeadlinePassed, Refused, ServiceBusy, ServiceUnavailable


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    Attributes:
        attempts: Most times that a call is made, the first included; 1 makes none again.
        first_pause_s: Longest pause after the first failure, where the service did not say when to come again; then twice as long.
        longest_pause_s: Longest of those.
    """

    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0


class Attempts:
    """The attempts at one call.

    Args:
        retries: How many, and how far apart.
        deadline_s: Seconds from now until which the answer is of use; None: no deadline.
        chance: Gives a number in [0, 1): callers that failed together shall not come back together.
        clock: Seconds.
    """

    def __init__(
        self,
        retries: Retries,
        deadline_s: float | None,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retries, self._chance, self._clock = retries, chance, clock
        self._ends_s = None if deadline_s is None else clock() + deadline_s
        self._made = 0

    @property
    def left_s(self) -> float | None:
        """Seconds left of the deadline. Raises DeadlinePassed where none are."""
        if self._ends_s is None:
            return None
        left_s = self._ends_s - self._clock()
        if left_s <= 0:
            raise DeadlinePassed("found no answer within the deadline, expected one by then")
        return left_s

    def pause_s(self, failure: ClientError, *, again: bool = True) -> float:
        """How long to wait before the next attempt.

        Args:
            failure: What the last one ended with.
            again: Whether a connection that broke may be tried again.

        Raises:
            ClientError: The failure itself, where it would come again, or often enough was tried.
            DeadlinePassed: The next attempt would come too late.
        """
        self._made += 1
        passes = isinstance(failure, ServiceBusy | ServiceUnavailable) if isinstance(failure, Refused) else again
        if not passes or self._made >= self._retries.attempts:
            raise failure
        pause_s = self._told(failure) or self._drawn()
        left_s = self.left_s
        if left_s is not None and pause_s >= left_s:
            raise DeadlinePassed(
                f"found {failure}; expected to come again in {pause_s:.1f} s, of {left_s:.1f} s left"
            ) from failure
        return pause_s

    def _told(self, failure: ClientError) -> float | None:
        told_s = failure.retry_after_s if isinstance(failure, Refused) else None
        return None if told_s is None else told_s * (1 + 0.1 * self._chance())

    def _drawn(self) -> float:
        longest_s = self._retries.first_pause_s * 2 ** (self._made - 1)
        return float(min(longest_s, self._retries.longest_pause_s)) * (0.5 + 0.5 * self._chance())
