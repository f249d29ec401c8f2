"""What the terminal shows of the work: a bar with how many frames are done, how many a second, how long it will go on; and lines."""

import errno
import os

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text


class OutputConsole(Console):
    """Standard output, whose reader may leave: rich would end the process with 1 and without a word."""

    def on_broken_pipe(self) -> None:
        """Raise it again."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class FrameRateColumn(ProgressColumn):
    """Frames a second, over the last ones; over all of them at the end."""

    def render(self, task: Task) -> Text:
        """As `11.3 frames/s`; nothing before the first frames."""
        rate = task.completed / task.finished_time if task.finished_time else task.speed
        return Text("" if rate is None else f"{rate:.1f} frames/s")


def say(console: Console, words: str, style: str = "") -> None:
    """Print a line as it is: a file's name may look like markup, or be longer than the terminal is wide."""
    console.print(words, style=style, markup=False, highlight=False, soft_wrap=True)


def frame_progress(console: Console) -> Progress:
    """The bar; on what is no terminal it is shown once, at the end."""
    bar = Progress.get_default_columns()[:2]
    return Progress(*bar, MofNCompleteColumn(), FrameRateColumn(), TimeRemainingColumn(), console=console)
