"""The deployed graph, free of sampling: a uint8 frame -> probability, total, aleatoric, epistemic."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.backbone import Normalise
from models.networks.generator import Generator
from models.networks.inference_model import InferenceModel
from models.networks.novelty import Novelty
from models.networks.uncertainty_estimator import UncertaintyEstimator


class SegmentationTensors(NamedTuple):
    """What is deployed: four maps (batch, h, w) float32; probability in [0, 1], the uncertainties in [0, ln 2] nats.

    And the novelty of each frame (batch,), where `Novelty` is fitted.
    """

    probability: Tensor
    total: Tensor
    aleatoric: Tensor
    epistemic: Tensor
    novelty: Tensor | None = None


class SmokeSegmenter(nn.Module):
    """z = mu(x), dropout off, one pass; g_gamma sees s as it was trained to.

        logits = f_theta(x, mu_omega(x)),   (U_p, U_a) = g_gamma(x, sigmoid(logits)),   U_e = U_p - U_a
        probability = sigmoid((min(logits, 0) + max(logits, 0) / r) / T + b)

    Temperature T, shift b and r calibrate the shown probability and nothing else; they are fitted after training. `evaluate` and
    `export` take this module, so what is measured is what ships.
    """

    temperature: Tensor
    shift: Tensor
    above: Tensor

    def __init__(
        self,
        normalise: Normalise,
        inference_model: InferenceModel,
        generator: Generator,
        estimator: UncertaintyEstimator,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.inference_model = inference_model
        self.generator = generator
        self.estimator = estimator
        self.novelty = Novelty(generator.backbone.channels[-2])
        self.register_buffer("temperature", torch.tensor(1.0))
        # Not in the state: runs that began before they were there go on, and `export` fills them from the evaluation.
        self.register_buffer("shift", torch.tensor(0.0), persistent=False)
        self.register_buffer("above", torch.tensor(1.0), persistent=False)

    def forward(self, frame: Tensor) -> SegmentationTensors:
        """RGB frame (batch, h, w, 3) uint8 -> SegmentationTensors."""
        image = self.normalise(frame.permute(0, 3, 1, 2))
        encoding = self.generator.encode(image)
        logits = self.generator.decode(encoding, self.inference_model(image).mean)
        uncertainty = self.estimator(image, torch.sigmoid(logits))
        halves = logits.clamp(max=0.0) + logits.clamp(min=0.0) / self.above
        probability = torch.sigmoid(halves / self.temperature + self.shift)
        total, aleatoric, epistemic = (value.squeeze(1) for value in uncertainty)
        novelty = self.novelty(encoding.summary) if self.novelty.fitted else None
        return SegmentationTensors(probability.squeeze(1), total, aleatoric, epistemic, novelty)
