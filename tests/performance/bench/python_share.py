"""What Python itself costs: CPU milliseconds a request over HTTP, with decoding, model and encoding replaced by constants.

`python -m tests.performance.bench.python_share`; with `--serve` it is that service.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self
from unittest import mock

import numpy as np

from models.manifest import Manifest
from models.maps import SegmentationMaps
from service.pipeline.encode import MASK, Size, encode_maps
from service.pipeline.prepare import PreparedFrame
from service.pipeline.render import Rendering
from service.runtime.session import OnnxModel
from service.server.serve import serve
from service.settings import Settings
from tests.performance.bench.null_model import THRESHOLD, build_null_release, camera_frame, jpeg_of
from tests.performance.bench.overhead import KINDS, family_cpu_s, per_frame_ms, served

SHARED = ("none", "mask", "three maps")
_COMMAND = ("tests.performance.bench.python_share", "--serve")


class _SameFrame:
    """Stands for the processes that decode."""

    def __init__(self, frame: PreparedFrame) -> None:
        self._frame = frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None: ...

    def prepare(self, *_: object) -> PreparedFrame:
        return self._frame


def serve_constants() -> None:
    """Serve, with every frame decoded, looked at and encoded beforehand."""
    settings = Settings.load()
    manifest = Manifest.read(settings.release())
    side = manifest.input.size_px
    with np.load(settings.release() / manifest.golden.maps) as golden:
        maps = SegmentationMaps(*(golden[output.name].astype(np.float32) for output in manifest.outputs))
    frame = PreparedFrame((np.zeros((side, side, 3), np.uint8),), Size(1280, 720), None, False)
    scales = {output.name: output for output in (MASK, *manifest.outputs)}
    made = {
        KINDS[kind].outputs: Rendering(
            encode_maps(maps, KINDS[kind].outputs, scales, THRESHOLD, None), None, None, None
        )
        for kind in SHARED
    }
    with (
        mock.patch("service.pipeline.pipeline.DecodeWorkers", return_value=_SameFrame(frame)),
        mock.patch("service.pipeline.pipeline.render", lambda _p, _r, _m, options, *_: made[options.outputs]),
        mock.patch.object(OnnxModel, "predict", lambda _, frames: [maps] * len(frames)),
    ):
        serve(settings)


def measure(rounds: int, requests: int) -> dict[str, float]:
    """The least CPU milliseconds a request of any round, by kind of answer."""
    body = jpeg_of(camera_frame(1280, 720))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(build_null_release(Path(folder)), body, _COMMAND) as (pid, ask),
    ):
        taken = [
            {kind: per_frame_ms(partial(ask, KINDS[kind]), requests, partial(family_cpu_s, pid)) for kind in SHARED}
            for _ in range(rounds)
        ]
    return {kind: min(values[kind] for values in taken) for kind in SHARED}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="be the service that is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50, help="in each round, of each kind")
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        serve_constants()
        return 0
    for kind, least_ms in measure(chosen.rounds, chosen.requests).items():
        sys.stdout.write(f"{kind}: {least_ms:.2f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
