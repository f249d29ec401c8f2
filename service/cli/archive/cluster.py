"""Blocks of pictures over the cores of a Ray cluster, by Ray Data: a worker a core, or a GPU, and names alone between machines.

Ray Data hands a worker its next block while it is at one, and no more than that; it starts workers that died anew and gives their block
to another.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import ray
import ray.data
from ray.exceptions import RayError

from service.cli.archive.plan import PictureBlock
from service.cli.archive.segmenter import ArchiveJob, BlockDone, BlockSegmenter
from service.errors import SettingsInvalid, in_one_line

LOCAL: Final = "local"
_OBJECTS_BYTES: Final = 128 * 2**20


class _Worker:
    """What Ray keeps in a process of its own."""

    def __init__(self, job: ArchiveJob) -> None:
        self._segmenter = BlockSegmenter(job).__enter__()

    def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
        try:
            done = self._segmenter.segment(PictureBlock(**block))
        except Exception as error:  # noqa: BLE001 - Ray would tell of an error of its own in its place
            done = BlockDone(0, stopped=in_one_line(error))
        return {**asdict(done), "node": ray.get_runtime_context().get_node_id()}


@contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """Be connected to a cluster: `local` starts one on this machine that ends with us, `auto` or HOST:PORT is one that is there.

    Raises:
        SettingsInvalid: None answers there.
    """
    # Ray reports to its makers unless it is told not to, and its C++ side writes to the terminal of whoever started it.
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_BACKEND_LOG_LEVEL", "fatal")):
        os.environ.setdefault(name, value)  # noqa: TID251
    ours = {"include_dashboard": False, "object_store_memory": _OBJECTS_BYTES} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **ours)
    except (ConnectionError, ValueError) as error:
        raise SettingsInvalid(f"--cluster: found no Ray cluster at {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def segment_blocks(job: ArchiveJob, blocks: Sequence[PictureBlock]) -> Iterator[BlockDone]:
    """Answer blocks, told as they are done. Raises OSError where one cannot be, and what a worker raised as it began."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset = ray.data.from_items([block._asdict() for block in blocks], override_num_blocks=len(blocks))
    try:
        for row in dataset.map(_Worker, fn_constructor_args=(job,), **_places(len(blocks))).iter_rows():
            if row["stopped"]:
                raise OSError(row["stopped"])
            yield BlockDone(row["frames"], [(source, error) for source, error in row["failed"]], row["node"])
    except RayError as error:
        raise _cause(error) from error


def _places(blocks: int) -> dict[str, Any]:
    """A worker a GPU, where there are any; else one a core. No more than there are blocks."""
    cluster = ray.cluster_resources()
    kind, option = ("GPU", "num_gpus") if cluster.get("GPU", 0) >= 1 else ("CPU", "num_cpus")
    most = max(1, min(int(cluster[kind]), blocks))
    return {option: 1, "compute": ray.data.ActorPoolStrategy(min_size=1, initial_size=most, max_size=most)}


def _cause(error: BaseException) -> BaseException:
    """The worker's own exception, below those that Ray wraps around it."""
    below = getattr(error, "cause", None) or error.__cause__
    return _cause(below) if isinstance(below, BaseException) else error
