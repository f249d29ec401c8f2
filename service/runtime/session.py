"""A release -> a loaded, checked model on onnxruntime.

Before a model answers anyone: every file's sha256, the graph's inputs and outputs against the manifest, and the golden
frame at every batch size that will be used (which is also the warm-up).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from models.geometry import RGB
from models.manifest import Manifest, ManifestError
from models.maps import SegmentationMaps
from service.errors import ModelUnusable, ProviderUnusable
from service.runtime import providers
from service.runtime.golden import check_golden
from service.runtime.io_binding import BoundSession
from service.runtime.model import ModelInfo, graph_outputs
from service.runtime.process import cores
from service.runtime.providers import RuntimeOptions
from service.runtime.session_pair import SessionPair

_LOG = logging.getLogger("service.session")
_BATCH_SIZES: Final = (1, 2, 4, 8)
_RUNNERS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A released model in an onnxruntime session; `predict` may be called from `runners` threads at once."""

    manifest: Manifest
    identity: ModelInfo
    runners: int
    batch_sizes: tuple[int, ...]
    session: Any

    @property
    def batch_max(self) -> int:
        """Most frames in one call of `predict`."""
        return self.batch_sizes[-1]

    def predict(self, frames: Sequence[RGB]) -> list[SegmentationMaps]:
        """Answer (size_px, size_px, 3) uint8 frames, padded with black ones to the next batch size in use."""
        size = next(size for size in self.batch_sizes if size >= len(frames))
        batch = frames[0][np.newaxis]
        if size > 1:
            batch = np.stack([*frames, *[np.zeros_like(frames[0])] * (size - len(frames))])
        answer = self.session.run(graph_outputs(self.manifest), {self.manifest.input.name: batch})
        return [SegmentationMaps.of([values[number] for values in answer]) for number in range(len(frames))]


def open_model(folder: Path, options: RuntimeOptions) -> OnnxModel:
    """Verify, load, warm up and check a release.

    Args:
        folder: Release folder with a manifest.
        options: Where and how wide it is to run.

    Raises:
        ModelUnusable: The release is missing or altered, or does not answer as its manifest promises.
        ProviderUnusable: The required provider is not to be had.
    """
    manifest = _verified(folder)
    if options.precision != "auto":
        model = _opened(folder, manifest, options, options.precision)
    else:
        model = _preferred(folder, manifest, options)
    identity = model.identity
    _LOG.info(
        "model ready",
        extra={
            "model": f"{manifest.name}-{manifest.version}",
            "provider": identity.provider,
            "precision": identity.precision,
        },
    )
    return model


def _preferred(folder: Path, manifest: Manifest, options: RuntimeOptions) -> OnnxModel:
    """What `auto` runs: fp16 on CUDA and int8 on a CPU, each where it answers here as at the release, else fp32.

    Where there may be a GPU int8 is opened last, once none was found: there it would cost a start and gain nothing.
    """
    available, model = ort.get_available_providers(), None
    if providers.tries_cuda(options, available):
        model = _second_or_none(folder, manifest, options, "fp16", "cuda")
    if model is None and providers.tries_gpu(options, available):
        model = _opened(folder, manifest, options, "fp32")
    if model is None or model.identity.provider == "cpu":
        model = _second_or_none(folder, manifest, options, "int8", "cpu") or model
    return model or _opened(folder, manifest, options, "fp32")


def _second_or_none(
    folder: Path, manifest: Manifest, options: RuntimeOptions, precision: str, provider: str
) -> OnnxModel | None:
    """A second model where the release has it and it runs on that provider, as released."""
    if precision not in manifest.models:
        return None
    try:
        model = _opened(folder, manifest, options, precision)
    except ModelUnusable as error:
        _LOG.warning(f"{precision} does not answer here as released: running fp32", extra={"reason": str(error)})
        return None
    return model if model.identity.provider == provider else None


def _opened(folder: Path, manifest: Manifest, options: RuntimeOptions, precision: str) -> OnnxModel:
    """One of the release's models, loaded, warmed up and checked; without CUDA graphs, aloud, where they cannot be recorded."""
    if precision not in manifest.models:
        raise ModelUnusable(
            f"{folder}: found models {', '.join(manifest.models)}, expected {precision} among them (SMOKE_PRECISION)"
        )
    try:
        return _checked(folder, manifest, options, precision)
    except ModelUnusable as error:
        if not providers.tries_graphs(options, ort.get_available_providers()):
            raise
        _LOG.warning("no CUDA graph can be recorded: one frame at a time", extra={"reason": str(error)})
        return _checked(folder, manifest, replace(options, cuda_graphs=False), precision)


def _checked(folder: Path, manifest: Manifest, options: RuntimeOptions, precision: str) -> OnnxModel:
    """A model file in a session or two, the signature read and the golden frame answered by each."""
    model = _alone(folder, manifest, options, precision)
    if not _is_paired(model, options):
        return model
    beside = _alone(folder, manifest, replace(options, provider="cpu", threads=1), precision)
    return replace(model, session=SessionPair(model.session, beside.session))


def _is_paired(model: OnnxModel, options: RuntimeOptions) -> bool:
    """Whether there is a core for each of the frames that run at once, and nobody asked for another number of them."""
    return (
        model.identity.provider == "cpu" and not options.runners and 1 < model.runners == (options.threads or cores())
    )


def _alone(folder: Path, manifest: Manifest, options: RuntimeOptions, precision: str) -> OnnxModel:
    session = _open_session(folder / manifest.models[precision], options)
    _check_signature(session, manifest)
    model = _assembled(session, manifest, options, precision)
    check_golden(model, folder)
    return model


def _verified(folder: Path) -> Manifest:
    try:
        manifest = Manifest.read(folder)
        manifest.verify(folder)
    except ManifestError as error:
        raise ModelUnusable(str(error)) from error
    return manifest


def _assembled(session: Any, manifest: Manifest, options: RuntimeOptions, precision: str) -> OnnxModel:  # noqa: ANN401 - onnxruntime has no types
    provider = providers.found(session.get_providers())
    on_cpu = provider == "cpu"
    batched = providers.batches(provider, options)
    sizes = tuple(size for size in _BATCH_SIZES if size <= options.batch_max) if batched else (1,)
    return OnnxModel(
        manifest=manifest,
        identity=ModelInfo(manifest.name, manifest.version, manifest.sha256, provider, precision),
        runners=(options.runners or min(options.threads or cores(), _RUNNERS_MAX)) if on_cpu else 1,
        batch_sizes=sizes,
        session=session if on_cpu else BoundSession(session, manifest, sizes, "cuda"),
    )


def _open_session(path: Path, options: RuntimeOptions) -> Any:  # noqa: ANN401
    try:
        wanted = providers.wanted(options, ort.get_available_providers())
        if len(wanted) > 1:
            ort.preload_dlls()
        session = ort.InferenceSession(str(path), _session_options(options), providers=wanted)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelUnusable(f"{path}: onnxruntime cannot open it: {error}") from error
    _check_provider(providers.found(session.get_providers()), options)
    return session


def _session_options(options: RuntimeOptions) -> Any:  # noqa: ANN401
    session_options = ort.SessionOptions()
    session_options.log_severity_level = 3
    session_options.intra_op_num_threads = options.threads or cores()
    # Threads that spin between frames cost the decoders their cores.
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session_options


def _check_provider(found: str, options: RuntimeOptions) -> None:
    """Refuse a provider that is not the required one; fall back aloud from one that was merely wanted."""
    if options.require not in (None, found):
        raise ProviderUnusable(
            f"found provider {found}, expected {options.require} (SMOKE_REQUIRE_PROVIDER); "
            f"this onnxruntime offers {', '.join(ort.get_available_providers())}"
        )
    if providers.fell_back(options, found, ort.get_available_providers()):
        where = "no usable GPU: running on the CPU" if found == "cpu" else f"no usable TensorRT: running on {found}"
        _LOG.warning(f"{where}, which is slower", extra={"wanted": options.provider})


def _check_signature(session: Any, manifest: Manifest) -> None:  # noqa: ANN401
    found = {node.name: (node.type, list(node.shape)[1:]) for node in session.get_inputs()}
    side = manifest.input.size_px
    expected = {manifest.input.name: ("tensor(uint8)", [side, side, 3])}
    if found != expected:
        raise ModelUnusable(f"found graph inputs {found}, expected {expected} (batch first)")
    outputs = {node.name: node.type for node in session.get_outputs()}
    wanted = dict.fromkeys(graph_outputs(manifest), "tensor(float)")
    if outputs != wanted:
        raise ModelUnusable(f"found graph outputs {outputs}, expected {wanted}")
