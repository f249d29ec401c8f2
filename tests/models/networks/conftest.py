"""A hub that is out of reach, and a generator small enough to be looked through."""

import huggingface_hub.constants
import pytest
import torch

from models.networks.backbone import Backbone
from models.networks.generator import Generator

ENCODER = "test_efficientnet"


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches for a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[4, 8], ids=["stride 4", "stride 8"])
def generator(request: pytest.FixtureRequest) -> Generator:
    """A generator from scratch, in evaluation mode."""
    return make_generator(request.param)


def make_generator(stride: int = 4, *, modulated: bool = False) -> Generator:
    sizes = {"latent_dim": 3, "channels": 8, "aspp_hidden": 8, "aspp_growth": 8}
    return Generator(
        Backbone(ENCODER), **sizes, dilations=(3, 6), stride=stride, dropout=0.3, modulated=modulated
    ).eval()
