"""A release of a model that does next to nothing: whatever it is shown, it answers the newest release's golden maps.

What a served frame costs on it, its own time taken off, is what everything but the model costs; and its maps are as hard to encode as
real ones.
"""

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.geometry import RGB
from models.manifest import OUTPUTS, Manifest, describe, newest_release

THRESHOLD = 0.5
"""At which the golden frame's plume is a region."""
_NOISE_LEVELS = 5.0
_QUALITY = 90


def build_null_release(folder: Path, source: Path | None = None) -> Path:
    """Write a release of the newest one's input, outputs, gate and golden frame, whose graph answers the golden maps.

    To a close-up as well, which would mean nothing: so it has none.
    """
    source = source or newest_release()
    manifest = Manifest.read(source)
    release = folder / "smoke-null-0.0.1"
    shutil.copytree(source / "golden", release / "golden")
    with np.load(source / manifest.golden.maps) as maps:
        onnx.save(
            _graph(manifest.input.size_px, {name: maps[name].astype(np.float32) for name in OUTPUTS}),
            release / "model.onnx",
        )
    promised = ("model.onnx", manifest.golden.frame, manifest.golden.maps)
    replace(
        manifest,
        name="smoke-null",
        version="0.0.1",
        files={file: describe(release / file) for file in promised},
        models={"fp32": "model.onnx"},
        goldens={},
        threshold=THRESHOLD,
        operating_points=None,
        novelty_limit=None,
        close_ups=None,
    ).write(release)
    return release


def camera_frame(width: int, height: int) -> RGB:
    """The golden frame at another size, with the grain of a sensor: about as many bytes as a JPEG file of a photograph has."""
    golden = newest_release() / Manifest.read(newest_release()).golden.frame
    picture = cv2.cvtColor(cv2.imread(str(golden)), cv2.COLOR_BGR2RGB)
    large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = np.random.default_rng(1).normal(0.0, _NOISE_LEVELS, large.shape).astype(np.float32)
    return np.clip(large + grain, 0, 255).astype(np.uint8)


def jpeg_of(frame: RGB) -> bytes:
    """As a camera writes it."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return data.tobytes()


def _graph(side: int, maps: dict[str, np.ndarray]) -> Any:
    """Each map once for each frame of the batch, the number of which is all that is looked at."""
    numbers = {"start": [0], "end": [1], "side": [side, side]}
    constants = [numpy_helper.from_array(np.array(values, np.int64), name) for name, values in numbers.items()]
    constants += [numpy_helper.from_array(values, f"constant_{name}") for name, values in maps.items()]
    nodes = [
        helper.make_node("Shape", ["frame"], ["shape"]),
        helper.make_node("Slice", ["shape", "start", "end"], ["batch_of"]),
        helper.make_node("Concat", ["batch_of", "side"], ["maps_of"], axis=0),
        *(helper.make_node("Expand", [f"constant_{name}", "maps_of"], [name]) for name in OUTPUTS),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, ["batch", side, side, 3])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", side, side]) for name in OUTPUTS]
    graph = helper.make_graph(nodes, "null", [frame], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    sys.stdout.write(f"{build_null_release(Path(tempfile.mkdtemp(prefix='smoke-null-')))}\n")
