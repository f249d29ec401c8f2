"""A bar on the terminal that says how many frames are done, how many a second, and for how long it will go on."""

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text


class FrameRateColumn(ProgressColumn):
    """Frames a second, over the last ones; over all of them at the end."""

    def render(self, task: Task) -> Text:
        """As `11.3 frames/s`; nothing before the first frames."""
        rate = task.completed / task.finished_time if task.finished_time else task.speed
        return Text("" if rate is None else f"{rate:.1f} frames/s")


def frame_progress(console: Console) -> Progress:
    """The bar; on what is no terminal it is shown once, at the end."""
    bar = Progress.get_default_columns()[:2]
    return Progress(*bar, MofNCompleteColumn(), FrameRateColumn(), TimeRemainingColumn(), console=console)
