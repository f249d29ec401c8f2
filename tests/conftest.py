"""A release whose answer is known in closed form: with it every number can be checked through the whole service."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from models.manifest import NOVELTY, OUTPUTS, Golden, Input, Manifest, describe
from tests.pictures import file_of, noisy

# How long an example takes, or is made, says more of the machine than of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SIDE = 32
THRESHOLD = 0.5


def closed_form(frame: np.ndarray) -> dict[str, np.ndarray]:
    """What the test model says of (..., 3) uint8: red is the probability, green the total, blue the aleatoric share."""
    red, green, blue = np.moveaxis(frame.astype(np.float32) / np.float32(255), -1, 0)
    total = np.float32(math.log(2)) * green
    aleatoric = total * blue
    return {"probability": red, "total": total, "aleatoric": aleatoric, "epistemic": total - aleatoric}


def closed_novelty(frame: np.ndarray) -> float:
    """What it says of (height, width, 3) uint8 as a whole, where its manifest has a `novelty_limit`: four times the mean grey level."""
    return float(4.0 * frame.astype(np.float32).mean() / 255)


def build_release(folder: Path, side: int = SIDE, **changes: Any) -> Path:
    """Write a release folder with the closed-form model; `changes` go into the manifest."""
    import onnx

    release = folder / "smoke-test-0.0.1"
    (release / "golden").mkdir(parents=True)
    onnx.save(closed_form_graph(side, novel="novelty_limit" in changes), release / "model.onnx")
    golden = noisy(7, side, side)
    (release / "golden/frame.png").write_bytes(file_of(golden))
    np.savez(release / "golden/maps.npz", **closed_form(golden))
    files = {file: describe(release / file) for file in ("model.onnx", "golden/frame.png", "golden/maps.npz")}
    promised: dict[str, Any] = {
        "name": "smoke-test",
        "version": "0.0.1",
        "files": files,
        "models": {"fp32": "model.onnx"},
        "golden": Golden("golden/frame.png", "golden/maps.npz", 1e-5),
        "threshold": THRESHOLD,
        "minimum_region": 0.01,
        "input": Input(size_px=side),
    }
    Manifest(**{**promised, **changes}).write(release)
    return release


def closed_form_graph(side: int = SIDE, *, novel: bool = False, scale: float = 4.0) -> Any:
    """The model as ONNX; where it is `novel` novelty is `scale` times the mean grey level."""
    from onnx import TensorProto, checker, helper

    def constant(name: str, value: Any, kind: int) -> Any:
        array = np.asarray(value)
        return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())

    weights = [
        constant("white", 255.0, TensorProto.FLOAT),
        constant("ln2", math.log(2), TensorProto.FLOAT),
        *(constant(colour, number, TensorProto.INT64) for number, colour in enumerate(("red", "green", "blue"))),
    ]
    nodes = [
        helper.make_node("Cast", ["frame"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "white"], ["shares"]),
        helper.make_node("Gather", ["shares", "red"], ["probability"], axis=3),
        helper.make_node("Gather", ["shares", "green"], ["doubt"], axis=3),
        helper.make_node("Gather", ["shares", "blue"], ["share"], axis=3),
        helper.make_node("Mul", ["doubt", "ln2"], ["total"]),
        helper.make_node("Mul", ["total", "share"], ["aleatoric"]),
        helper.make_node("Sub", ["total", "aleatoric"], ["epistemic"]),
    ]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, ["batch", side, side, 3])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", side, side]) for name in OUTPUTS]
    if novel:
        weights.append(constant("scale", scale, TensorProto.FLOAT))
        nodes.append(helper.make_node("ReduceMean", ["shares"], ["grey"], axes=[1, 2, 3], keepdims=0))
        nodes.append(helper.make_node("Mul", ["grey", "scale"], [NOVELTY]))
        outputs.append(helper.make_tensor_value_info(NOVELTY, TensorProto.FLOAT, ["batch"]))
    graph = helper.make_graph(nodes, "closed-form", [frame], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The closed-form release; read only, copy it to break it."""
    return build_release(tmp_path_factory.mktemp("released"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own SMOKE_* variables must not reach a test."""
    for name in [name for name in os.environ if name.startswith("SMOKE_")]:
        monkeypatch.delenv(name)
