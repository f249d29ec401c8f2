"""Hot reload: load, verify, warm up and check another release beside the one in service; swap them, or refuse in words."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.errors import ReleaseRefused, ReloadBusy, StartError
from service.runtime.model import Model
from service.runtime.process import trim_heap
from service.runtime.slot import LoadedModel, ModelSlot

_LOG = logging.getLogger("service.reload")
SWAPPED: Final = "swapped"
REFUSED: Final = "refused"
ROLLED_BACK: Final = "rolled_back"


class Reloader:
    """Changes the model in a slot; one change at a time. Its calls block: keep them off the event loop.

    Args:
        slot: What is changed.
        load: Loads the release that the settings name now, and checks it.
        report: Told SWAPPED, REFUSED or ROLLED_BACK.
        check: Raises where a model does not do what the operator asks of it.
    """

    def __init__(
        self,
        slot: ModelSlot,
        load: Callable[[], LoadedModel],
        report: Callable[[str], None],
        check: Callable[[Model], None] = lambda _: None,
    ) -> None:
        self._slot = slot
        self._load = load
        self._report = report
        self._check = check
        self._changing = threading.Lock()

    def reload(self, load: Callable[[], LoadedModel] | None = None) -> Model:
        """Load the release that the settings name now, or that `load` loads from now on, and put it into service.

        Raises:
            ReleaseRefused: It is not what it promises, or does not fit; the present one serves on.
            ReloadBusy: Another change is under way.
        """
        with self._alone():
            with self._refusals():
                loaded = self._fitting(load or self._load)
            self._slot.install(loaded)
            self._load = load or self._load
        return self._changed(SWAPPED)

    def rollback(self) -> Model:
        """Put the model that served before the last reload back into service.

        Raises:
            NothingToRollBack: There is none.
            ReleaseRefused: It does not do what has been asked since; the present one serves on.
            ReloadBusy: Another change is under way.
        """
        with self._alone():
            if (previous := self._slot.previous) is not None:
                with self._refusals():
                    self._check(previous)
            self._slot.rollback()
        return self._changed(ROLLED_BACK)

    def start(self) -> None:
        """Reload in a thread of its own; what comes of it is logged. For a signal, which has no caller to tell."""
        threading.Thread(target=self._quietly, name="reload", daemon=True).start()

    def ended(self, timeout_s: float) -> bool:
        """Whether no change is under way, or none after this time."""
        ended = self._changing.acquire(timeout=timeout_s)
        if ended:
            self._changing.release()
        return ended

    def _quietly(self) -> None:
        try:
            self.reload()
        except (ReloadBusy, ReleaseRefused) as error:
            _LOG.warning("not reloaded", extra={"detail": str(error)})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._changing.acquire(blocking=False):
            raise ReloadBusy("found another change of the model under way, expected one at a time")
        try:
            yield
        finally:
            self._changing.release()

    def _fitting(self, load: Callable[[], LoadedModel]) -> LoadedModel:
        """Frames that wait were fitted to the present model: another must take them as they are."""
        loaded = load()
        found, expected = (model.manifest.input.size_px for model in (loaded.model, self._slot.model))
        if found != expected:
            raise StartError(f"found a model of size {found}, expected {expected} as in service; restart to change it")
        self._check(loaded.model)
        return loaded

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Whatever is wrong with another model, the one in service must go on."""
        try:
            yield
        except Exception as error:
            self._report(REFUSED)
            raise ReleaseRefused(str(error)) from error

    def _changed(self, result: str) -> Model:
        model = self._slot.model
        identity = model.identity
        _LOG.info("model changed", extra={"model": f"{identity.name}-{identity.version}", "result": result})
        self._report(result)
        # The model that went out of service was a large part of the heap.
        trim_heap()
        return model
