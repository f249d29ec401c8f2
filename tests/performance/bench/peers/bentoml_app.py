"""BentoML: `bentoml serve` with so many workers."""

from pathlib import Path

import bentoml
from work import Choice, Work

choice = Choice.read()


@bentoml.service(workers=choice.workers, traffic={"timeout": 600})
class Segment:
    """One frame in, one answer out."""

    def __init__(self):
        self.work = Work(choice)

    @bentoml.api
    def segment(self, frame: Path) -> dict:
        """Answer one frame."""
        return self.work(frame.read_bytes())
