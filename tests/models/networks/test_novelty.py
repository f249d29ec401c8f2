"""How unlike its training frames a frame is, by the means of a feature."""

import numpy as np
import pytest
import torch

from models.networks.novelty import Novelty

CHANNELS = 6


@pytest.fixture
def features() -> torch.Tensor:
    """Means of a feature over 400 frames: correlated, of unlike scales, around unlike values."""
    mix = torch.randn(CHANNELS, CHANNELS)
    return torch.randn(400, CHANNELS) @ mix + torch.arange(CHANNELS) * 10.0


def fitted(features: torch.Tensor, weights: torch.Tensor | None = None) -> Novelty:
    novelty = Novelty(features.shape[1])
    novelty.fit(features, torch.ones(len(features)) if weights is None else weights)
    return novelty


def test_it_is_the_mahalanobis_distance_over_its_mean_over_training_frames(features):
    correlation = 0.9 * np.corrcoef(features.T.double()) + 0.1 * np.eye(CHANNELS)
    scales = features.double().std(0, correction=0).numpy()
    around = features.double().numpy() - features.double().mean(0).numpy()
    distances = np.einsum("ni,ij,nj->n", around, np.linalg.inv(correlation * np.outer(scales, scales)), around)
    np.testing.assert_allclose(fitted(features)(features), distances / distances.mean(), rtol=1e-3)


def test_a_direction_that_no_training_frame_takes_is_novel_where_each_channel_alone_is_ordinary():
    along = torch.linspace(-2, 2, 101)
    novelty = fitted(torch.stack([along, along + 0.01 * torch.randn(101)], dim=1))
    ordinary, across = novelty(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
    assert across > 5.0 * ordinary


def test_a_frame_of_weight_two_counts_as_two(features):
    twice = fitted(torch.cat([features, features[:50]]))
    weighed = fitted(features, torch.tensor([2.0] * 50 + [1.0] * 350))
    assert torch.allclose(twice(features), weighed(features), rtol=1e-4)


def test_a_channel_that_no_training_frame_moves_does_not_decide_alone(features):
    still = features.clone()
    still[:, 0] = 3.0
    seen = still[:1].clone()
    seen[0, 0] += 0.01 * float(still.std(0).max())
    assert float(fitted(still)(seen)) < float(fitted(still)(still[:1])) + 10.0


def test_fewer_frames_than_channels_do(features):
    assert torch.isfinite(fitted(features[:3])(features)).all()


def test_before_it_is_fitted_it_knows_nothing_and_afterwards_it_can_be_set_anew(features):
    assert not Novelty(CHANNELS).fitted
    one, other = fitted(features), Novelty(CHANNELS)
    other.set(one.mean, one.whitening)
    assert other.fitted
    assert torch.equal(one(features), other(features))
