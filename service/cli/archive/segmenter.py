"""A worker of the archive: holds the model, and takes blocks of pictures to their findings and masks."""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from service.cli.archive.findings import as_parquet, failed_row, found_row
from service.cli.archive.plan import FINDINGS, PictureBlock
from service.cli.archive.storage import open_folder, read_whole, write_file
from service.cli.overlap import frames_at_once, in_order
from service.errors import ModelUnavailable, ModelUnusable, RequestError
from service.pipeline.decoding.decode import Limits
from service.pipeline.options import SegmentOptions
from service.pipeline.pipeline import Pipeline
from service.runtime.model import ModelInfo
from service.runtime.slot import ModelSlot
from service.server.components import load, worker_options
from service.settings import Settings

_OF_THE_PICTURE: Final = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""Gone, not ours to read, a link to itself, or a name that leaves no room for that of its mask."""


@dataclass(frozen=True, slots=True)
class ArchiveJob:
    """What every block is worked with.

    Attributes:
        source, out: Folders or URIs; each worker opens them itself, so that no picture goes from one machine to another.
        settings: Of the service.
        options: What is wanted of a picture.
        model: That all workers must have.
    """

    source: str
    out: str
    settings: Settings
    options: SegmentOptions
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class BlockDone:
    """A block whose findings are written: how many pictures, those that got no answer with the reason, and which node it was.

    `stopped` says why there are no findings, where there are none.
    """

    frames: int
    failed: list[tuple[str, str]] = field(default_factory=list)
    node: str = ""
    stopped: str = ""


class BlockSegmenter:
    """Answers blocks of pictures, some pictures of a block at once. Use as a context manager: its threads run within.

    Raises:
        ModelUnusable: It is not the job's model.
    """

    def __init__(self, job: ArchiveJob) -> None:
        slot, workers = ModelSlot(load(job.settings)), worker_options(job.settings)
        found = slot.model.identity
        if replace(found, provider=job.model.provider) != job.model:
            raise ModelUnusable(f"found {found} on a worker, expected {job.model} on every one")
        self._job = job
        self._source, self._out = open_folder(job.source), open_folder(job.out)
        self._at_once = frames_at_once(slot.model, workers, job.options.frames)
        self._pipeline = Pipeline(slot, workers, Limits(job.settings.pixels_max))

    def __enter__(self) -> Self:
        self._pipeline.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._pipeline.__exit__(*raised)

    def segment(self, block: PictureBlock) -> BlockDone:
        """Write masks, then findings: a block that has findings has all of it. Raises OSError where that cannot be written."""
        rows = asyncio.run(self._answers(block.sources))
        write_file(self._out, f"{FINDINGS}/{block.name}.parquet", as_parquet(rows))
        return BlockDone(len(rows), [(row["source"], row["error"]) for row in rows if "error" in row])

    async def _answers(self, sources: Sequence[str]) -> list[dict[str, Any]]:
        return [row async for row in in_order(sources, self._row, self._at_once)]

    async def _row(self, source: str) -> dict[str, Any]:
        try:
            return await self._answer(source)
        except ModelUnavailable:
            raise
        except (RequestError, OSError) as error:
            # The picture's own fault. Any other, such as a store out of reach, ends the run, and the next one goes on from there.
            if isinstance(error, OSError) and error.errno not in _OF_THE_PICTURE:
                raise
            return failed_row(source, error)

    async def _answer(self, source: str) -> dict[str, Any]:
        most_bytes, mask = self._job.settings.body_max_bytes, f"masks/{source}.png"
        body = await self._pipeline.offload(lambda: read_whole(self._source, source, most_bytes))
        found = await self._pipeline.segment(body, self._job.options)
        data = found.rendering.maps["mask"].data
        await self._pipeline.offload(lambda: write_file(self._out, mask, data))
        return found_row(source, len(body), mask, found)
