"""onnxruntime for training: parity and evaluation run the exported file with it, and nothing else here imports it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

Frames = npt.NDArray[np.uint8]


class OnnxModel:
    """An exported graph on the CPU.

    Attributes:
        input_name, input_type, input_shape: Of its only input, as onnxruntime names them.
        output_names, output_types: In order.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
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
