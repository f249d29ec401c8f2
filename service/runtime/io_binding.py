"""I/O binding: a session whose inputs and outputs stay in the same memory of the device."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.manifest import NOVELTY, Manifest
from service.runtime.model import graph_outputs


class BoundSession:
    """A session whose inputs and outputs stay in the same memory of the device, one set per batch size.

    Nothing is allocated per batch, and no output crosses the bus before all are ready. One thread owns the session, at the
    warm-up as later: a CUDA graph is captured per thread, and per batch size. The tests run it on the CPU's memory.

    Args:
        session: On the device.
        manifest: Names and sizes.
        batch_sizes: Every size that `run` will be called with.
        device: Of onnxruntime's names: cuda or cpu.
    """

    def __init__(self, session: Any, manifest: Manifest, batch_sizes: Sequence[int], device: str) -> None:  # noqa: ANN401
        self._session = session
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._sets = {size: self._bound(manifest, size, device) for size in batch_sizes}
        self._options = {size: _graph_of(size) for size in batch_sizes}

    def run(self, outputs: Sequence[str], feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """As a session's own `run`, for the one input."""
        return self._owner.submit(self._run, outputs, next(iter(feeds.values()))).result()

    def _run(self, outputs: Sequence[str], frames: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        binding, fed, filled = self._sets[len(frames)]
        fed.update_inplace(np.ascontiguousarray(frames))
        self._session.run_with_iobinding(binding, self._options[len(frames)])
        # Copied: on the CPU `numpy` is a view of memory that the next batch overwrites.
        return [np.array(filled[name].numpy()) for name in outputs]

    def _bound(self, manifest: Manifest, size: int, device: str) -> tuple[Any, Any, dict[str, Any]]:
        """A binding, the buffer that is fed, and those that are filled."""
        side = manifest.input.size_px
        binding = self._session.io_binding()
        fed = ort.OrtValue.ortvalue_from_numpy(np.zeros((size, side, side, 3), np.uint8), device, 0)
        binding.bind_ortvalue_input(manifest.input.name, fed)
        shapes = {name: (size,) if name == NOVELTY else (size, side, side) for name in graph_outputs(manifest)}
        filled = {
            name: ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
            for name, shape in shapes.items()
        }
        for output, buffer in filled.items():
            binding.bind_ortvalue_output(output, buffer)
        return binding, fed, filled


def _graph_of(size: int) -> Any:  # noqa: ANN401
    """Options of a run; where CUDA graphs are on, each batch size has its own. Other providers ignore the entry."""
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(size))
    return options
