"""The model in service: lent to runners batch by batch, replaced between batches, kept out of use once it has failed.

Every answer carries the model that gave it, so that no reply mixes two. The replaced model is kept for a rollback.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from models.geometry import RGB
from models.maps import SegmentationMaps
from service.errors import ModelUnavailable, NothingToRollBack
from service.runtime.model import Model

_REBUILD_MAX_S: Final = 30.0
"""How long frames that were accepted wait for a model that is being rebuilt."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A checked model, and how to load the same release again."""

    model: Model
    reopen: Callable[[], Model]


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """What a model said about one frame, and which one it was."""

    prediction: SegmentationMaps
    model: Model


class ModelSlot:
    """Holds the model in service. Safe from several threads.

    Args:
        loaded: The first model.
        failures_max: Failures in a row, of batches or of attempts to load the model again, after which it is given up.

    Attributes:
        on_failure: Told which model raised; called once until it is replaced, in the thread of its batch.
        on_change: Told about each model that comes into service.
    """

    def __init__(self, loaded: LoadedModel, failures_max: int = 5) -> None:
        self.on_failure: Callable[[LoadedModel], None] = lambda _: None
        self.on_change: Callable[[Model], None] = lambda _: None
        self._failures_max = failures_max
        self._current = loaded
        self._previous: LoadedModel | None = None
        self._failures = 0
        self._healthy = True
        self._closed = False
        self._changed = threading.Condition()

    @property
    def model(self) -> Model:
        """The model in service."""
        return self._current.model

    @property
    def previous(self) -> Model | None:
        """The model that is kept for a rollback."""
        return self._previous.model if self._previous else None

    @property
    def healthy(self) -> bool:
        """Whether the model in service works: not from a failure on until it is replaced."""
        return self._healthy

    @property
    def failures(self) -> int:
        """How many failures there were in a row."""
        return self._failures

    @property
    def given_up(self) -> bool:
        """Whether it failed so often in a row that restarting the process is more likely to help than loading it again."""
        return self._failures >= self._failures_max

    def infer(self, frames: Sequence[RGB]) -> list[InferenceResult]:
        """Have the model in service answer a batch, or several in turn where there are more frames than it takes at once.

        Raises:
            ModelUnavailable: There is none that is healthy, and none came in time.
            Exception: Whatever the model raised; it is taken out of service.
        """
        loaded = self._lend()
        try:
            most = loaded.model.batch_max
            predictions = [
                prediction
                for start in range(0, len(frames), most)
                for prediction in loaded.model.predict(frames[start : start + most])
            ]
        except BaseException:
            self._mark_failed(loaded)
            raise
        with self._changed:
            if self._healthy:
                self._failures = 0
        return [InferenceResult(prediction, loaded.model) for prediction in predictions]

    def install(self, loaded: LoadedModel) -> None:
        """Put another model into service; the present one is kept for a rollback, unless the other is the same release."""
        with self._changed:
            if loaded.model.identity != self.model.identity:
                self._previous = self._current
            self._serve(loaded)
            self._failures = 0

    def rollback(self) -> None:
        """Put the kept model back into service, and keep the present one instead.

        Raises:
            NothingToRollBack: None is kept.
        """
        with self._changed:
            if self._previous is None:
                raise NothingToRollBack("found no earlier model, expected a reload before a rollback")
            loaded, self._previous = self._previous, self._current
            self._serve(loaded)
            self._failures = 0

    def replace_failed(self, failed: LoadedModel, fresh: LoadedModel) -> bool:
        """Replace a failed model by the same one loaded again; False if another came into service meanwhile."""
        with self._changed:
            if self._current is not failed:
                return False
            self._serve(fresh)
            return True

    def is_failed(self, loaded: LoadedModel) -> bool:
        """Whether this model is in service, failed, and still to be replaced."""
        return self._current is loaded and not self._healthy and not self._closed

    def fail_again(self) -> int:
        """Count an attempt to load it again that failed; returns the failures in a row."""
        with self._changed:
            self._failures += 1
            self._changed.notify_all()
            return self._failures

    def close(self) -> None:
        """Let nobody wait for a model any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _lend(self) -> LoadedModel:
        with self._changed:
            self._changed.wait_for(lambda: self._healthy or self._closed or self.given_up, _REBUILD_MAX_S)
            if not self._healthy:
                raise ModelUnavailable(f"found the model down after {self._failures} failures in a row, expected it up")
            return self._current

    def _mark_failed(self, loaded: LoadedModel) -> None:
        with self._changed:
            if self._current is not loaded or not self._healthy:
                return
            self._healthy = False
            self._failures += 1
        self.on_failure(loaded)

    def _serve(self, loaded: LoadedModel) -> None:
        self._current = loaded
        self._healthy = True
        self._changed.notify_all()
        self.on_change(loaded.model)
