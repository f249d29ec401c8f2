"""What is deployed: no sampling, the identity of doubt, a temperature that touches the probability alone."""

import inspect
import math

import pytest
import torch

from models.networks.backbone import Backbone, normalisation
from models.networks.generator import Generator
from models.networks.inference_model import InferenceModel
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty_estimator import UncertaintyEstimator

ENCODER = "test_efficientnet"


def segmenter(temperature: float = 1.0) -> SmokeSegmenter:
    torch.manual_seed(0)
    sizes = {"latent_dim": 3, "channels": 8, "aspp_hidden": 8, "aspp_growth": 8}
    generator = Generator(Backbone(ENCODER), **sizes, dilations=(3, 6), stride=4, dropout=0.3)
    parts = (normalisation(ENCODER), InferenceModel(3), generator, UncertaintyEstimator(8))
    made = SmokeSegmenter(*parts).eval()
    made.temperature.fill_(temperature)
    return made


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)


def test_a_frame_gives_four_maps_of_its_size(frames):
    for values in segmenter()(frames)[:4]:
        assert values.shape == (2, 64, 96)
        assert values.dtype == torch.float32


def test_novelty_is_told_once_it_is_fitted_and_changes_no_map(frames):
    model = segmenter()
    before = model(frames)
    assert before.novelty is None
    model.novelty.fit(torch.randn(9, model.generator.backbone.channels[2]), torch.ones(9))
    after = model(frames)
    assert after.novelty.shape == (2,)
    image = model.normalise(frames.permute(0, 3, 1, 2))
    means = model.generator.backbone(image)[2].mean((2, 3))
    assert torch.allclose(after.novelty, model.novelty(means))
    assert all(torch.equal(one, other) for one, other in zip(before[:4], after[:4], strict=True))


def test_total_is_aleatoric_plus_epistemic(frames):
    found = segmenter()(frames)
    assert (found.total - found.aleatoric - found.epistemic).abs().max() <= 1e-6
    assert found.aleatoric.min() >= 0.0
    assert found.total.max() <= math.log(2) + 1e-6


def test_the_temperature_changes_the_probability_as_it_should_and_nothing_else(frames):
    plain, tempered = segmenter()(frames), segmenter(2.5)(frames)
    assert torch.allclose(tempered.probability, torch.sigmoid(torch.logit(plain.probability) / 2.5), atol=1e-5)
    assert not torch.allclose(tempered.probability, plain.probability, atol=1e-3)
    for name in ("total", "aleatoric", "epistemic"):
        assert torch.equal(getattr(tempered, name), getattr(plain, name))


def test_the_shift_moves_the_logit_of_the_probability_and_nothing_else(frames):
    plain, shifted = segmenter()(frames), segmenter()
    shifted.shift.fill_(-1.5)
    found = shifted(frames)
    assert torch.allclose(torch.logit(found.probability), torch.logit(plain.probability) - 1.5, atol=1e-4)
    assert all(torch.equal(getattr(found, name), getattr(plain, name)) for name in ("total", "aleatoric", "epistemic"))


def test_logits_above_0_are_softened_by_themselves_and_nothing_else_changes(frames):
    plain, softened = segmenter()(frames), segmenter()
    softened.above.fill_(3.0)
    found = softened(frames)
    logits = torch.logit(plain.probability)
    assert (logits > 0).any()
    assert (logits < 0).any()
    assert torch.allclose(torch.logit(found.probability), torch.where(logits > 0, logits / 3.0, logits), atol=1e-4)
    assert all(torch.equal(getattr(found, name), getattr(plain, name)) for name in ("total", "aleatoric", "epistemic"))


def test_the_same_frame_gives_the_same_answer_whatever_the_random_state(frames):
    model = segmenter()
    torch.manual_seed(1)
    first = model(frames)[:4]
    torch.manual_seed(2)
    assert all(torch.equal(one, other) for one, other in zip(first, model(frames)[:4], strict=True))


def test_the_probability_is_that_of_the_mean_latent(frames):
    model = segmenter()
    image = model.normalise(frames.permute(0, 3, 1, 2))
    logits = model.generator(image, model.inference_model(image).mean)
    assert torch.equal(model(frames).probability, torch.sigmoid(logits)[:, 0])


def test_the_estimator_sees_the_prediction_as_it_is_without_temperature(frames):
    model = segmenter(3.0)
    image = model.normalise(frames.permute(0, 3, 1, 2))
    logits = model.generator(image, model.inference_model(image).mean)
    assert torch.equal(model(frames).total, model.estimator(image, torch.sigmoid(logits)).total[:, 0])


def test_frames_do_not_mix(frames):
    model = segmenter()
    model.novelty.fit(torch.randn(9, model.generator.backbone.channels[2]), torch.ones(9))
    for alone, together in zip(model(frames[1:]), model(frames), strict=True):
        assert torch.allclose(alone[0], together[1], atol=1e-5)


def test_inference_has_no_parameter_for_the_truth():
    assert list(inspect.signature(SmokeSegmenter.forward).parameters) == ["self", "frame"]


def test_the_temperature_is_saved_with_the_networks():
    state = segmenter(1.7).state_dict()
    assert state["temperature"].item() == pytest.approx(1.7)


def test_the_state_holds_no_more_than_running_trainings_have_saved():
    parts = {name.partition(".")[0] for name in segmenter().state_dict()}
    assert parts == {"normalise", "inference_model", "generator", "estimator", "temperature"}
