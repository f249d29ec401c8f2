"""The closed-form release of the service's tests as a torch module: the pair that `parity` must find equal."""

import math

from torch import Tensor, nn

from models.networks.segmenter import SegmentationTensors


class ClosedForm(nn.Module):
    """Red is the probability, green the total, blue the aleatoric share: `tests.conftest.closed_form` in torch."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self._gain = gain

    def forward(self, frame: Tensor) -> SegmentationTensors:
        red, green, blue = (frame.float() / 255.0).unbind(-1)
        total = math.log(2) * green
        aleatoric = total * blue
        return SegmentationTensors(self._gain * red, total, aleatoric, total - aleatoric)
