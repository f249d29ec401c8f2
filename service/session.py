"""A release -> a loaded, checked model on onnxruntime; the only importer of onnxruntime.

Before a model answers anyone: every file's sha256, the graph's inputs and outputs against the manifest, and the golden
frame at every batch size that will be used (which is also the warm-up).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.frame import RGB, fit
from models.manifest import OUTPUTS, Manifest, ManifestError
from service.cores import cores
from service.errors import ModelUnusable, ProviderUnusable, RequestError
from service.image import Limits, decode
from service.placement import Placement
from service.prediction import Identity, Prediction
from service.settings import Settings
from service.slot import Loaded

_LOG = logging.getLogger(__name__)
_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_CUDA_OPTIONS: Final = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
_BATCH_SIZES: Final = (1, 2, 4, 8)
_RUNNERS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A released model in an onnxruntime session; `predict` may be called from `runners` threads at once."""

    manifest: Manifest
    identity: Identity
    runners: int
    batch_sizes: tuple[int, ...]
    session: Any

    @property
    def batch_max(self) -> int:
        """Most frames in one call of `predict`."""
        return self.batch_sizes[-1]

    def predict(self, frames: Sequence[RGB]) -> list[Prediction]:
        """Answer (size_px, size_px, 3) uint8 frames, padded with black ones to the next batch size in use."""
        size = next(size for size in self.batch_sizes if size >= len(frames))
        padding = [np.zeros_like(frames[0])] * (size - len(frames))
        maps = self.session.run(OUTPUTS, {self.manifest.input.name: np.stack([*frames, *padding])})
        return [Prediction(*(values[number] for values in maps)) for number in range(len(frames))]


def open_model(folder: Path, placement: Placement) -> OnnxModel:
    """Verify, load, warm up and check a release.

    Args:
        folder: Release folder with a manifest.
        placement: Where it is to run.

    Raises:
        ModelUnusable: The release is missing or altered, or does not answer as its manifest promises.
        ProviderUnusable: The required provider is not to be had.
    """
    manifest = _verified(folder)
    session = _open_session(folder / manifest.models["fp32"], placement)
    _check_signature(session, manifest)
    model = _placed(session, manifest, placement)
    _check_golden(model, folder)
    _LOG.info(
        "model ready", extra={"model": f"{manifest.name}-{manifest.version}", "provider": model.identity.provider}
    )
    return model


def load(settings: Settings) -> Loaded:
    """Open the release that the settings name now; `reopen` opens that same folder again.

    Raises:
        ModelUnusable, ProviderUnusable: See `open_model`.
    """
    # Resolved: a link that is moved on names the next release, and must not make this one another when it is rebuilt.
    folder, placement = settings.release().resolve(), Placement.of(settings)
    return Loaded(open_model(folder, placement), lambda: open_model(folder, placement))


def _verified(folder: Path) -> Manifest:
    try:
        manifest = Manifest.read(folder)
        manifest.verify(folder)
    except ManifestError as error:
        raise ModelUnusable(str(error)) from error
    return manifest


def _placed(session: Any, manifest: Manifest, placement: Placement) -> OnnxModel:  # noqa: ANN401 - onnxruntime has no types
    provider = _provider_of(session)
    on_cpu = provider == "cpu"
    return OnnxModel(
        manifest=manifest,
        identity=Identity(manifest.name, manifest.version, manifest.sha256, provider, "fp32"),
        runners=(placement.runners or min(cores(), _RUNNERS_MAX)) if on_cpu else 1,
        batch_sizes=(1,) if on_cpu else tuple(size for size in _BATCH_SIZES if size <= placement.batch_max),
        session=session,
    )


def _open_session(path: Path, placement: Placement) -> Any:  # noqa: ANN401
    try:
        session = ort.InferenceSession(str(path), _options(placement), providers=_wanted(placement.provider))
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelUnusable(f"{path}: onnxruntime cannot open it: {error}") from error
    _check_provider(_provider_of(session), placement)
    return session


def _options(placement: Placement) -> Any:  # noqa: ANN401
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = placement.threads or cores()
    # Threads that spin between frames cost the decoders their cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _wanted(provider: str) -> list[Any]:
    """Providers in order of preference, as onnxruntime takes them; CUDA only where this build has it."""
    if provider == "cpu" or _PROVIDERS["cuda"] not in ort.get_available_providers():
        return [_PROVIDERS["cpu"]]
    ort.preload_dlls()
    return [(_PROVIDERS["cuda"], _CUDA_OPTIONS), _PROVIDERS["cpu"]]


def _provider_of(session: Any) -> str:  # noqa: ANN401
    return "cuda" if _PROVIDERS["cuda"] in session.get_providers() else "cpu"


def _check_provider(found: str, placement: Placement) -> None:
    """Refuse a provider that is not the required one; fall back aloud from one that was merely wanted."""
    if placement.require not in (None, found):
        raise ProviderUnusable(
            f"found provider {found}, expected {placement.require} (SMOKE_REQUIRE_PROVIDER); "
            f"this onnxruntime offers {', '.join(ort.get_available_providers())}"
        )
    built_for_gpu = _PROVIDERS["cuda"] in ort.get_available_providers()
    if found == "cpu" and (placement.provider == "cuda" or (placement.provider == "auto" and built_for_gpu)):
        _LOG.warning("no usable GPU: running on the CPU, which is slower", extra={"wanted": placement.provider})


def _check_signature(session: Any, manifest: Manifest) -> None:  # noqa: ANN401
    found = {node.name: (node.type, list(node.shape)[1:]) for node in session.get_inputs()}
    side = manifest.input.size_px
    expected = {manifest.input.name: ("tensor(uint8)", [side, side, 3])}
    if found != expected:
        raise ModelUnusable(f"found graph inputs {found}, expected {expected} (batch first)")
    outputs = {node.name: node.type for node in session.get_outputs()}
    wanted = dict.fromkeys(OUTPUTS, "tensor(float)")
    if outputs != wanted:
        raise ModelUnusable(f"found graph outputs {outputs}, expected {wanted}")


def _check_golden(model: OnnxModel, folder: Path) -> None:
    """Hold the golden frame's maps against the expected ones, at every batch size."""
    golden = model.manifest.golden
    frame, expected = _golden(folder, model.manifest)
    for size in model.batch_sizes:
        for prediction in _predict_or_refuse(model, [frame] * size):
            for name in OUTPUTS:
                _check_close(getattr(prediction, name), expected[name], golden.tolerance, f"{name} (batch of {size})")


def _golden(folder: Path, manifest: Manifest) -> tuple[RGB, dict[str, npt.NDArray[np.float32]]]:
    """The golden frame fitted to the model, and the maps expected for it."""
    try:
        frame = decode((folder / manifest.golden.frame).read_bytes(), Limits(pixels_max=2**26))
        with np.load(folder / manifest.golden.maps) as archive:
            expected = {name: archive[name] for name in OUTPUTS}
    except (OSError, KeyError, ValueError, RequestError) as error:
        raise ModelUnusable(f"{folder}: the golden frame or its maps cannot be read: {error}") from error
    return fit(frame, manifest.input.size_px), expected


def _predict_or_refuse(model: OnnxModel, frames: Sequence[RGB]) -> list[Prediction]:
    try:
        return model.predict(frames)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelUnusable(f"the model fails on its golden frame: {error}") from error


def _check_close(found: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float, what: str) -> None:
    if found.shape != expected.shape:
        raise ModelUnusable(f"golden frame, {what}: found shape {found.shape}, expected {expected.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise ModelUnusable(
            f"golden frame, {what}: found a difference of {difference:.3g}, expected at most {tolerance:g}"
        )
