"""onnxruntime for training: exported files are run with this, and nothing else here imports it but the quantiser."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

Frames = npt.NDArray[np.uint8]


class OnnxModel:
    """An exported graph on the CPU.

    Args:
        path: The file.
        threads: Of one run; 0 for every core.
        optimised: Whether operators are fused; without, each runs as the file has it.

    Attributes:
        input_name, input_type, input_shape: Of its only input, as onnxruntime names them.
        output_names, output_types: In order.
    """

    def __init__(self, path: Path, threads: int = 0, *, optimised: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (only,) = self._session.get_inputs()
        self.input_name: str = only.name
        self.input_type: str = only.type
        self.input_shape: list[int | str] = list(only.shape)
        self.output_names: list[str] = [output.name for output in self._session.get_outputs()]
        self.output_types: list[str] = [output.type for output in self._session.get_outputs()]

    def run(self, frames: Frames) -> list[npt.NDArray[np.float32]]:
        """(batch, size, size, 3) uint8 -> one (batch, size, size) float32 per output."""
        outputs: list[npt.NDArray[np.float32]] = self._session.run(None, {self.input_name: frames})
        return outputs
