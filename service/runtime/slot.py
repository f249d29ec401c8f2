"""The model in service: lent to runners batch by batch, replaced between batches, kept out of use while it is ill.

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

_PATIENCE_S: Final = 30.0
"""How long frames that were accepted wait for a model that is being rebuilt."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked model, and how to load the same release again."""

    model: Model
    reopen: Callable[[], Model]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said about one frame, and which one it was."""

    prediction: SegmentationMaps
    model: Model


class Slot:
    """Holds the model in service. Safe from several threads.

    Args:
        loaded: The first model.
        failures_max: Failures in a row, of batches or of attempts to load the model again, after which it is given up.

    Attributes:
        on_illness: Told which model raised; called once until it is replaced, in the thread of its batch.
        on_change: Told about each model that comes into service.
    """

    def __init__(self, loaded: Loaded, failures_max: int = 5) -> None:
        self.on_illness: Callable[[Loaded], None] = lambda _: None
        self.on_change: Callable[[Model], None] = lambda _: None
        self._failures_max = failures_max
        self._current = loaded
        self._previous: Loaded | None = None
        self._failures = 0
        self._well = True
        self._closed = False
        self._changed = threading.Condition()

    @property
    def model(self) -> Model:
        """The model in service."""
        return self._current.model

    @property
    def well(self) -> bool:
        """Whether it answers."""
        return self._well

    @property
    def failures(self) -> int:
        """How many failures there were in a row."""
        return self._failures

    @property
    def given_up(self) -> bool:
        """Whether a restart of the process is the better hope."""
        return self._failures >= self._failures_max

    def answer(self, frames: Sequence[RGB]) -> list[Answer]:
        """Have the model in service answer a batch, or several in turn where there are more frames than it takes at once.

        Raises:
            ModelUnavailable: There is none that is well, and none came in time.
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
            self._fall_ill(loaded)
            raise
        with self._changed:
            if self._well:
                self._failures = 0
        return [Answer(prediction, loaded.model) for prediction in predictions]

    def install(self, loaded: Loaded) -> None:
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

    def cure(self, ill: Loaded, fresh: Loaded) -> bool:
        """Replace an ill model by the same one loaded again; False if another came into service meanwhile."""
        with self._changed:
            if self._current is not ill:
                return False
            self._serve(fresh)
            return True

    def is_ill(self, loaded: Loaded) -> bool:
        """Whether this model is in service, ill, and still to be cured."""
        return self._current is loaded and not self._well and not self._closed

    def fail_again(self) -> int:
        """Count an attempt at a cure that failed; returns the failures in a row."""
        with self._changed:
            self._failures += 1
            self._changed.notify_all()
            return self._failures

    def close(self) -> None:
        """Let nobody wait for a cure any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _lend(self) -> Loaded:
        with self._changed:
            self._changed.wait_for(lambda: self._well or self._closed or self.given_up, _PATIENCE_S)
            if not self._well:
                raise ModelUnavailable(f"found the model down after {self._failures} failures in a row, expected it up")
            return self._current

    def _fall_ill(self, loaded: Loaded) -> None:
        with self._changed:
            if self._current is not loaded or not self._well:
                return
            self._well = False
            self._failures += 1
        self.on_illness(loaded)

    def _serve(self, loaded: Loaded) -> None:
        self._current = loaded
        self._well = True
        self._changed.notify_all()
        self.on_change(loaded.model)
