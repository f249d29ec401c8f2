"""A run in which nothing depends on how its batches are cut: norms stay as they are, and z is drawn as its mean says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.latent import DiagonalGaussian
from training.config import Config
from training.data.frames import Frame
from training.engine import run

follow_as_it_is = run._follow


def stay_as_they_are(norm: nn.BatchNorm2d, mode: bool = True) -> nn.BatchNorm2d:  # noqa: ARG001
    norm.training = False
    return norm


def drawn_by_the_mean(posterior: DiagonalGaussian) -> Tensor:
    return posterior.mean + posterior.std * torch.cos(7.0 * posterior.mean)


def replacements() -> Iterator[tuple[Any, str, Any]]:
    yield nn.BatchNorm2d, "train", stay_as_they_are
    yield DiagonalGaussian, "sample", drawn_by_the_mean


def follow(config: Config, frames: list[Frame], out: Path, number: int, meeting: Path) -> None:
    """What a follower does, frozen as its leader is."""
    for owner, name, value in replacements():
        setattr(owner, name, value)
    follow_as_it_is(config, frames, out, number, meeting)
