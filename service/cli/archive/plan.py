"""What is to be done: pictures in blocks, written down before the first is looked at, so that a restart cuts them alike.

A block's name is that of its findings. Whoever answers it a second time, after a kill or because a lost worker was not lost, writes the
same file again: each picture has its findings once.
"""

import io
from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa
from pyarrow import parquet
from pyarrow.fs import SubTreeFileSystem

from service.cli.archive.storage import files_in, read_whole, write_file
from service.errors import SettingsInvalid

FINDINGS: Final = "findings"
_PLAN: Final = "plan"
_PLAN_MAX_BYTES: Final = 2**31


class PictureBlock(NamedTuple):
    """Pictures whose findings are one file."""

    name: str
    sources: list[str]


class ArchivePlan(NamedTuple):
    """The blocks that have no findings yet, and how many pictures have some."""

    left: list[PictureBlock]
    frames_done: int

    @property
    def frames_left(self) -> int:
        """How many pictures have none."""
        return sum(len(block.sources) for block in self.left)


def plan_archive(pictures: Sequence[str], out: SubTreeFileSystem, block_frames: int) -> ArchivePlan:
    """Write down the pictures that no earlier run did, and look what is left of all.

    Args:
        pictures: By their names, each once.
        out: Where the archive goes.
        block_frames: How many pictures a new block has.

    Raises:
        SettingsInvalid: What an earlier run wrote down cannot be read.
    """
    plans = files_in(out, _PLAN)
    blocks = [block for name in plans for block in _read(out, f"{_PLAN}/{name}")]
    known = {source for block in blocks for source in block.sources}
    fresh = [picture for picture in pictures if picture not in known]
    if fresh:
        blocks += _write(out, len(plans), fresh, block_frames)
    done = {name.removesuffix(".parquet") for name in files_in(out, FINDINGS)}
    left = [block for block in blocks if block.name not in done]
    return ArchivePlan(left, sum(len(block.sources) for block in blocks if block.name in done))


def _write(out: SubTreeFileSystem, number: int, pictures: Sequence[str], block_frames: int) -> list[PictureBlock]:
    parts = [[*pictures[first : first + block_frames]] for first in range(0, len(pictures), block_frames)]
    blocks = [PictureBlock(f"{number:05}-{part:06}", sources) for part, sources in enumerate(parts)]
    table = pa.table({"block": [block.name for block in blocks], "sources": [block.sources for block in blocks]})
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    write_file(out, f"{_PLAN}/{number:05}.parquet", stream.getvalue())
    return blocks


def _read(out: SubTreeFileSystem, name: str) -> list[PictureBlock]:
    body = read_whole(out, name, _PLAN_MAX_BYTES)
    try:
        rows = parquet.read_table(io.BytesIO(body), columns=["block", "sources"]).to_pylist()
    except pa.ArrowInvalid as error:
        raise SettingsInvalid(f"{name}: {error}; expected a plan that this command wrote") from error
    return [PictureBlock(row["block"], row["sources"]) for row in rows]
