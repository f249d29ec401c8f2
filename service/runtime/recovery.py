"""A model that raised is loaded, verified and warmed up again, in a thread of its own, with longer and longer pauses."""

import logging
import threading
from collections.abc import Callable
from typing import Final, Self

from service.runtime.backoff import Backoff
from service.runtime.slot import LoadedModel, ModelSlot

_LOG = logging.getLogger("service.recovery")
REBUILT: Final = "rebuilt"
FAILED: Final = "failed"


class ModelRebuilder:
    """Loads a slot's model again whenever it has failed. Use as a context manager.

    Args:
        slot: Where the model is.
        report: Told REBUILT or FAILED after each attempt.
        backoff: Before the second attempt and each further one.
    """

    def __init__(self, slot: ModelSlot, report: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self._slot = slot
        self._report = report
        self._backoff = backoff or Backoff()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._slot.on_failure = self._begin
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._slot.close()
        for thread in self._threads:
            thread.join()

    def _begin(self, failed: LoadedModel) -> None:
        thread = threading.Thread(target=self._rebuild, args=(failed,), name="recovery", daemon=True)
        self._threads = [earlier for earlier in self._threads if earlier.is_alive()] + [thread]
        thread.start()

    def _rebuild(self, failed: LoadedModel) -> None:
        while self._slot.is_failed(failed) and not self._stopped.wait(self._backoff.after(self._slot.failures - 1)):
            if self._attempt(failed):
                return

    def _attempt(self, failed: LoadedModel) -> bool:
        """Try once; returns whether nothing is left to do."""
        try:
            replaced = self._slot.replace_failed(failed, LoadedModel(failed.reopen(), failed.reopen))
        except Exception:  # noqa: BLE001 - whatever loading raises, the next attempt may do better
            failures = self._slot.fail_again()
            _LOG.exception("the model could not be rebuilt", extra={"failures": failures})
            self._report(FAILED)
            return False
        if replaced:
            _LOG.warning("the model raised and was rebuilt", extra={"failures": self._slot.failures})
            self._report(REBUILT)
        return True
