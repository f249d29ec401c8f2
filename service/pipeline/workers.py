"""Who works in a pipeline: how many threads decode and encode, and how many frames wait for the model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How many work in a pipeline.

    Attributes:
        workers: Threads that decode and encode.
        queue_max: Most frames that wait for the model.
        batch_wait_s: How long a batch waits to be filled.
    """

    workers: int
    queue_max: int
    batch_wait_s: float = 0.0
