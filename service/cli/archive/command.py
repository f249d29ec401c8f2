"""`smoke-bvm archive`: what was asked for, what is left of it, and how it goes."""

import argparse
import json
from collections import Counter
from typing import Any, Final

from pyarrow.fs import SubTreeFileSystem
from rich.console import Console

from service.cli.archive.cluster import ray_cluster, segment_blocks
from service.cli.archive.plan import ArchivePlan, plan_archive
from service.cli.archive.segmenter import ArchiveJob
from service.cli.archive.storage import open_folder, pictures_below, read_whole, write_file
from service.cli.pictures import readable
from service.cli.progress import frame_progress, say
from service.errors import SOME_FAILED, RequestError, SettingsInvalid, in_one_line
from service.pipeline.options import SegmentOptions
from service.pipeline.threshold import threshold_in_force
from service.runtime.model import Model
from service.server.components import load
from service.settings import Settings
from service.validation import parsed

_ABOUT: Final = "archive.json"
_ABOUT_MAX_BYTES: Final = 2**16


def run_archive(chosen: argparse.Namespace) -> int:
    """Segment the pictures of a folder into another; returns the exit code."""
    console = Console(stderr=True)
    source, out = open_folder(chosen.folder), open_folder(chosen.out)
    if source.equals(out):
        raise SettingsInvalid(f"--out {chosen.out} is the folder of the pictures, expected a folder of its own")
    pictures = pictures_below(source, out)
    unnamed = [name for name in pictures if readable(name) != name]
    for name in unnamed:
        words = f"{readable(name)}: found a name that is no UTF-8, expected one that is; left out"
        say(console, words, "red")
    if not pictures:
        say(console, f"{chosen.folder}: found no JPEG, PNG or WebP files", "red")
        return SOME_FAILED
    job = _job(chosen, out)
    plan = plan_archive([name for name in pictures if name not in unnamed], out, chosen.block)
    if plan.frames_done:
        say(console, f"going on: {plan.frames_done} pictures have their findings, {plan.frames_left} are left")
    failed = len(unnamed) + (_work(job, plan, chosen.cluster, console) if plan.left else 0)
    return SOME_FAILED if failed else 0


def _job(chosen: argparse.Namespace, out: SubTreeFileSystem) -> ArchiveJob:
    """The job, once the model was opened here: what is wrong with it is told before a cluster is asked."""
    settings = Settings.load(model_dir=chosen.model_dir)
    # A worker has one core; where the settings name more it takes them.
    settings = settings.model_copy(
        update={name: getattr(settings, name) or 1 for name in ("threads", "runners", "workers")}
    )
    options = SegmentOptions(
        ("mask",), chosen.resolution, chosen.threshold, chosen.tiles, false_alarm_rate=settings.false_alarm_rate
    )
    model = load(settings).model
    _keep_to(_about(chosen.folder, model, options), out, chosen.out)
    return ArchiveJob(chosen.folder, chosen.out, settings, options, model.identity)


def _about(source: str, model: Model, options: SegmentOptions) -> dict[str, Any]:
    """What an archive holds: as long as this stays the same, its findings can stand beside each other."""
    identity = model.identity
    return {
        "source": source,
        "model": f"{identity.name} {identity.version}",
        "sha256": identity.sha256,
        "precision": identity.precision,
        "threshold": threshold_in_force(model.manifest, options.threshold, options.false_alarm_rate).value,
        "tiles": options.tiles,
        "resolution": options.resolution,
    }


def _keep_to(about: dict[str, Any], out: SubTreeFileSystem, name: str) -> None:
    """Raises SettingsInvalid where an earlier run was asked for something else."""
    if not out.get_file_info(_ABOUT).is_file:
        write_file(out, _ABOUT, json.dumps(about, indent=2).encode())
        return
    try:
        before = dict(parsed(json.loads, read_whole(out, _ABOUT, _ABOUT_MAX_BYTES).decode()))
    except (ValueError, TypeError):
        raise SettingsInvalid(f"--out {name}: found {_ABOUT} that is none of an archive, expected one") from None
    for key, wanted in about.items():
        if before.get(key) != wanted:
            found = f"found {key} {before.get(key)!r} in {_ABOUT}"
            raise SettingsInvalid(
                f"--out {name}: {found}, expected {wanted!r} as asked for now, or a folder of its own"
            )


def _work(job: ArchiveJob, plan: ArchivePlan, cluster: str, console: Console) -> int:
    """Answer what is left; returns how many pictures got no answer, and at least 1 where an error ended the work, which is said."""
    with ray_cluster(cluster):
        try:
            return _segment(job, plan, console)
        except (RequestError, OSError) as error:
            # Now, for Ray may end this process as it shuts down.
            say(console, f"smoke-bvm: {in_one_line(error)}")
            return 1


def _segment(job: ArchiveJob, plan: ArchivePlan, console: Console) -> int:
    done, failed, nodes = plan.frames_done, 0, Counter[str]()
    with frame_progress(console) as progress:
        bar = progress.add_task("segmenting", total=plan.frames_done + plan.frames_left, completed=done)
        for block in segment_blocks(job, plan.left):
            for source, error in block.failed:
                say(console, f"{source}: {error}", "red")
            failed += len(block.failed)
            nodes[block.node] += block.frames
            progress.advance(bar, block.frames)
    shares = f", {len(nodes)} nodes had {', '.join(map(str, sorted(nodes.values())))}" if len(nodes) > 1 else ""
    say(console, f"{plan.frames_left - failed} of {plan.frames_left} pictures segmented into {job.out}{shares}")
    return failed
