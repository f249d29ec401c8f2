"""Shows a run: a progress bar, a line per validation, and TensorBoard curves; on a terminal, or to whoever reads."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from training.engine.run import Reporter
from training.evaluation.validation import Validation

_SMOOTHING = 0.98
_LINE_STEPS = 100


class LastingConsole(Console):
    """Standard output whose reader may leave, as after `| head`: rich would end the process, and what it works at would be lost."""

    def on_broken_pipe(self) -> None:
        """Say nothing more, and go on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class TerminalReporter:
    """A `training.engine.run.Reporter` for a person: use it as a context manager."""

    def __init__(self, console: Console, tensorboard: Path) -> None:
        self._console = console
        self._writer = SummaryWriter(str(tensorboard))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[state]}"), console=console)
        self._tasks: dict[str, TaskID] = {}
        self._smoothed: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._writer.close()

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        """Move the bar, add to the curves; every hundred steps a line, for logs without a bar."""
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(phase, total=steps, state="")
            self._smoothed.clear()
        for name, value in (numbers | {"samples_per_s": samples_per_s}).items():
            self._smoothed[name] = _SMOOTHING * self._smoothed.get(name, value) + (1.0 - _SMOOTHING) * value
            self._writer.add_scalar(f"{phase}/{name}", value, step)
        state = "  ".join(f"{name} {value:.4g}" for name, value in self._smoothed.items())
        self._progress.update(self._tasks[phase], completed=step, state=state)
        if step % _LINE_STEPS == 0 and not self._console.is_terminal:
            self._console.print(f"{phase} {step}/{steps}  {state}", soft_wrap=True)

    def validated(self, phase: str, step: int, validation: Validation) -> None:
        """One line on the model and one on z, a point on each curve, and a picture."""
        summary, latent, picture = validation
        for name, value in (summary._asdict() | {f"latent_{k}": v for k, v in latent._asdict().items()}).items():
            self._writer.add_scalar(f"val/{phase}/{name}", value, step)
        self._writer.add_image(f"val/{phase}", picture, step, dataformats="HWC")
        self._console.print(
            f"{phase} step {step}: val F-beta {summary.f_beta:.3f} at {summary.threshold:.2f}, IoU {summary.iou:.3f}, "
            f"mMSE {summary.mean_squared_error:.5f} (all-zero {summary.zero_error:.5f}), "
            f"detected {summary.detection_rate:.3f} of {summary.smoke_frames}, "
            f"false alarms {summary.false_alarm_rate:.3f} of {summary.smoke_free_frames}",
            soft_wrap=True,
        )
        self._console.print(f"{phase} step {step}: {latent}", soft_wrap=True)


class RowReporter:
    """A `training.engine.run.Reporter` of one of several runs, of which none goes on with the curves of another."""

    def __init__(self, row: str, told: Reporter[Any]) -> None:
        self._row, self._told = row, told

    def step(self, phase: str, step: int, steps: int, numbers: dict[str, float], samples_per_s: float) -> None:
        """Tell of the phase as the row's own."""
        self._told.step(f"{self._row}/{phase}", step, steps, numbers, samples_per_s)

    def validated(self, phase: str, step: int, validation: object) -> None:
        """Tell of the phase as the row's own."""
        self._told.validated(f"{self._row}/{phase}", step, validation)
