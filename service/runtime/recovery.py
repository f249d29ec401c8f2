"""A model that raised is loaded, verified and warmed up again, in a thread of its own, with longer and longer pauses."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from service.runtime.slot import Loaded, Slot

_LOG = logging.getLogger("service.recovery")
REBUILT: Final = "rebuilt"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pause before an attempt: none after the first failure, then doubling from `first_s` up to `longest_s`."""

    first_s: float = 0.5
    longest_s: float = 30.0

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row."""
        return 0.0 if failures <= 1 else float(min(self.longest_s, self.first_s * 2 ** min(failures - 2, 32)))


class Recovery:
    """Cures a slot's model whenever it falls ill. Use as a context manager.

    Args:
        slot: Where the model is.
        report: Told REBUILT or FAILED after each attempt.
        pauses: Between attempts.
    """

    def __init__(self, slot: Slot, report: Callable[[str], None], pauses: Pauses | None = None) -> None:
        self._slot = slot
        self._report = report
        self._pauses = pauses or Pauses()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._slot.on_illness = self._begin
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._slot.close()
        for thread in self._threads:
            thread.join()

    def _begin(self, ill: Loaded) -> None:
        thread = threading.Thread(target=self._cure, args=(ill,), name="recovery", daemon=True)
        self._threads = [earlier for earlier in self._threads if earlier.is_alive()] + [thread]
        thread.start()

    def _cure(self, ill: Loaded) -> None:
        while self._slot.is_ill(ill) and not self._stopped.wait(self._pauses.after(self._slot.failures)):
            if self._attempt(ill):
                return

    def _attempt(self, ill: Loaded) -> bool:
        """Try once; returns whether nothing is left to do."""
        try:
            fresh = Loaded(ill.reopen(), ill.reopen)
        except Exception:  # noqa: BLE001 - whatever loading raises, the next attempt may do better
            failures = self._slot.fail_again()
            _LOG.exception("the model could not be rebuilt", extra={"failures": failures})
            self._report(FAILED)
            return False
        if self._slot.cure(ill, fresh):
            _LOG.warning("the model raised and was rebuilt", extra={"failures": self._slot.failures})
            self._report(REBUILT)
        return True
