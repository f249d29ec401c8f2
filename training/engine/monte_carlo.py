"""Monte Carlo sampling over z and dropout: encode once, decode B times (eq. 3 and 5)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.networks.generator import Encoding, Generator
from models.networks.inference_model import InferenceModel
from models.networks.latent import DiagonalGaussian


@contextmanager
def in_evaluation(*modules: nn.Module) -> Iterator[None]:
    """Within it nothing is random and batch normalisation uses its running statistics; modes return after it."""
    modes = [(child, child.training) for module in modules for child in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


@contextmanager
def dropout_only(module: nn.Module) -> Iterator[None]:
    """Within it dropout is random and everything else, batch normalisation above all, is in evaluation; modes return after it."""
    with in_evaluation(module):
        for child in module.modules():
            if isinstance(child, nn.Dropout):
                child.train()
        yield


@torch.no_grad()
def sample_probabilities(generator: Generator, inference_model: InferenceModel, image: Tensor, samples: int) -> Tensor:
    """Draw z ~ P_omega(z|x) and a dropout mask per sample: p_b = sigmoid(f_{theta_b}(x, z_b)).

    Args:
        generator: P_theta(y|x, z).
        inference_model: P_omega(z|x).
        image: Normalised, (batch, 3, h, w).
        samples: B.

    Returns:
        (samples, batch, 1, h, w) in [0, 1] of 32 bits, without gradient. Source: Yan et al. 2022, eq. 3 and 5.
    """
    with dropout_only(generator), dropout_only(inference_model):
        return decode_samples(generator, generator.encode(image), inference_model(image), samples)


@torch.no_grad()
def decode_samples(generator: Generator, encoding: Encoding, posterior: DiagonalGaussian, samples: int) -> Tensor:
    """As `sample_probabilities`, from what all samples share: an encoding made in evaluation, and P_omega(z|x)."""
    with dropout_only(generator):
        logits = [generator.decode(encoding, posterior.sample()).float() for _ in range(samples)]
        return torch.sigmoid(torch.stack(logits))


@torch.no_grad()
def sample_nested(
    generator: Generator, inference_model: InferenceModel, image: Tensor, masks: int, latents: int
) -> Tensor:
    """Draw several z for each dropout mask: p_bc = sigmoid(f_{theta_b}(x, z_bc)).

    Args:
        generator, inference_model, image: As for `sample_probabilities`.
        masks, latents: How many masks, and how many z for each.

    Returns:
        (masks, latents, batch, 1, h, w). Its mean over z is P_{theta_b}(y|x), of which eq. 3 is the mean over theta: `decompose` of
        that puts all that z leaves open into the aleatoric part.
    """
    with dropout_only(generator), dropout_only(inference_model), torch.random.fork_rng():
        posterior = inference_model(image)
        encoding = generator.encode(image)
        drawn = [[posterior.sample() for _ in range(latents)] for _ in range(masks)]
        seeds = torch.randint(2**31, (masks,)).tolist()
        return torch.stack(
            [
                torch.stack([_decode(generator, encoding, latent, seed) for latent in row])
                for row, seed in zip(drawn, seeds, strict=True)
            ]
        )


def _decode(generator: Generator, encoding: Encoding, latent: Tensor, seed: int) -> Tensor:
    """Probabilities with the dropout mask that belongs to a seed."""
    torch.manual_seed(seed)
    return torch.sigmoid(generator.decode(encoding, latent).float())
