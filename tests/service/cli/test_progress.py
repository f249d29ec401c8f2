"""The bar's frames a second."""

from rich.console import Console
from rich.progress import Progress

from service.cli.progress import FrameRateColumn


def test_at_the_end_the_rate_is_that_of_all_frames_though_the_last_came_at_once():
    now = [0.0]
    progress = Progress(FrameRateColumn(), console=Console(quiet=True), get_time=lambda: now[0], auto_refresh=False)
    bar = progress.add_task("segmenting", total=2)
    now[0] = 4.0
    progress.advance(bar)
    now[0] = 4.001
    progress.advance(bar)
    assert FrameRateColumn().render(progress.tasks[0]).plain == "0.5 frames/s"
