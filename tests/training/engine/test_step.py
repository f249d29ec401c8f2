"""One step of either phase: what it teaches, what it leaves, and what it refuses."""

import pytest
import torch
from lightning_fabric import Fabric

from models.networks.latent import DiagonalGaussian
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty import Uncertainty, decompose
from tests.training.conftest import tiny
from training.config import Objective
from training.data.batches import Batch
from training.engine import step
from training.engine.networks import build_segmenter
from training.engine.step import (
    EstimatorLoss,
    GeneratorLoss,
    NonFiniteLossError,
    optimise,
    parameter_groups,
    set_learning_rate,
    to_numbers,
)
from training.losses.objective import Weights

ALL = Weights(kl=0.1, coherence=0.3, entropy=0.01)


@pytest.fixture
def segmenter() -> SmokeSegmenter:
    """Wide enough that no attention block has only dead units at the start."""
    return build_segmenter(tiny("network.channels=32").network, pretrained=True)


@pytest.fixture
def batch() -> Batch:
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 16:40, 20:50] = 1.0
    transmission = torch.rand(2, 1, 64, 64)
    return Batch(image, mask, transmission, torch.ones_like(mask), ["one.png", "two.png"])


def generator_phase(segmenter: SmokeSegmenter, *, frozen_norm: bool = True, frozen_stride: int = 0) -> GeneratorLoss:
    constants = Objective(free_nats=0.0)
    phase = GeneratorLoss(segmenter, constants, freeze_encoder_norm=frozen_norm, frozen_stride=frozen_stride)
    return phase.train()


def reached(segmenter: SmokeSegmenter) -> set[str]:
    """The networks of which some parameter has a gradient."""
    return {name.partition(".")[0] for name, p in segmenter.named_parameters() if p.grad is not None and p.grad.any()}


def unreached(module: torch.nn.Module) -> list[str]:
    return [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]


def test_the_first_phase_teaches_generator_and_inference_model_whole_and_not_the_estimator(segmenter, batch):
    phase = generator_phase(segmenter)
    phase(*batch[:4], ALL)["loss"].backward()
    assert reached(segmenter) == {"generator", "inference_model"}
    assert unreached(phase) == []


def test_the_second_phase_teaches_the_whole_estimator_and_nothing_else(segmenter, batch):
    segmenter.eval()
    phase = EstimatorLoss(segmenter, samples=2).train()
    phase(batch.image)["loss"].backward()
    assert reached(segmenter) == {"estimator"}
    assert unreached(segmenter.estimator) == []


def test_the_structure_loss_reaches_the_inference_model_through_z(segmenter, batch):
    phase = generator_phase(segmenter)
    phase(*batch[:4], ALL)["structure"].backward()
    assert unreached(phase.inference_model) == []


def test_the_divergence_reaches_the_inference_model_alone(segmenter, batch):
    generator_phase(segmenter)(*batch[:4], ALL)["kl"].backward()
    assert reached(segmenter) == {"inference_model"}


@pytest.mark.parametrize("term", ["coherence", "entropy"])
def test_a_regulariser_reaches_generator_and_inference_model_and_never_the_estimator(segmenter, batch, term):
    generator_phase(segmenter)(*batch[:4], ALL)[term].backward()
    assert reached(segmenter) == {"generator", "inference_model"}


def test_the_first_phase_leaves_mode_and_statistics_of_the_estimator_alone(segmenter, batch):
    segmenter.estimator.train()
    before = {name: value.clone() for name, value in segmenter.estimator.state_dict().items()}
    generator_phase(segmenter)(*batch[:4], ALL)
    assert all(module.training for module in segmenter.estimator.modules())
    assert all(torch.equal(before[name], value) for name, value in segmenter.estimator.state_dict().items())


def test_the_encoder_is_kept_up_to_the_stride_that_is_asked_for_and_learns_beyond(segmenter, batch):
    phase = generator_phase(segmenter, frozen_stride=4)
    phase(*batch[:4], ALL)["loss"].backward()
    names = [name for name, _ in phase.generator.backbone.encoder.named_parameters()]
    kept = [name for name, p in phase.generator.backbone.encoder.named_parameters() if p.grad is None]
    last = max(index for index, name in enumerate(names) if name.startswith("blocks.1."))
    assert kept == names[: last + 1]


def test_beside_the_first_phase_the_estimator_learns_and_leaves_the_modes_of_the_others(segmenter, batch):
    generator_phase(segmenter)
    before = {name: value.clone() for name, value in segmenter.generator.state_dict().items()}
    EstimatorLoss(segmenter, samples=2).train()(batch.image)["loss"].backward()
    assert reached(segmenter) == {"estimator"}
    assert segmenter.generator.dropout.training
    assert all(torch.equal(before[name], value) for name, value in segmenter.generator.state_dict().items())


def test_the_estimator_learns_at_the_deployed_s_and_at_samples_which_the_entropy_asks_it_at(segmenter, batch):
    segmenter.eval()
    seen: list[torch.Tensor] = []
    segmenter.estimator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    twice = batch.image[[0, 0]]
    with torch.no_grad():
        image = segmenter.normalise(twice)
        deployed = torch.sigmoid(segmenter.generator(image, segmenter.inference_model(image).mean))
    EstimatorLoss(segmenter, samples=2).train()(twice)
    torch.testing.assert_close(seen[0][0], deployed[0])
    assert (seen[0][1] - deployed[1]).abs().max() > 1e-3  # the same picture, another z and dropout


def test_a_step_of_the_estimator_encodes_its_images_once(segmenter, batch):
    calls: list[object] = []
    segmenter.generator.backbone.register_forward_hook(lambda *_: calls.append(None))
    EstimatorLoss(segmenter, samples=3).train()(batch.image)
    assert len(calls) == 1


def test_beside_members_the_estimator_learns_how_far_the_ensemble_disagrees(segmenter, batch, monkeypatch):
    segmenter.eval()
    members = [build_segmenter(tiny("network.channels=32").network, pretrained=False).eval() for _ in range(2)]
    targets: list[Uncertainty] = []
    monkeypatch.setattr(step, "estimator_loss", lambda own, target: targets.append(target) or own.total.mean())
    monkeypatch.setattr(DiagonalGaussian, "sample", lambda self: self.mean)
    phase = EstimatorLoss(segmenter, samples=2, members=members).train()
    phase(batch.image)["loss"].backward()
    with torch.no_grad():
        frames = batch.image.permute(0, 2, 3, 1)
        expected = decompose(torch.stack([network(frames).probability[:, None] for network in (segmenter, *members)]))
    torch.testing.assert_close(targets[0].epistemic, expected.epistemic, atol=1e-5, rtol=1e-3)
    assert expected.epistemic.max() > 1e-4
    assert {id(p) for p in phase.parameters()} == {id(p) for p in segmenter.estimator.parameters()}
    assert not any(p.grad is not None for member in members for p in member.parameters())


def test_what_z_leaves_open_in_each_member_is_aleatoric(batch, monkeypatch):
    modulated = build_segmenter(tiny("network.channels=32", "network.modulated=true").network, pretrained=False).eval()
    torch.nn.init.normal_(modulated.generator.modulation.weight, std=2.0)
    targets: list[Uncertainty] = []
    monkeypatch.setattr(step, "estimator_loss", lambda own, target: targets.append(target) or own.total.mean())
    EstimatorLoss(modulated, samples=50, members=[modulated]).train()(batch.image)
    EstimatorLoss(modulated, samples=50).train()(batch.image)
    nested, flat = targets
    assert (
        nested.epistemic.mean() < 0.2 * flat.epistemic.mean()
    )  # one network twice: there is nothing that it does not know
    assert nested.aleatoric.mean() > 1.1 * flat.aleatoric.mean()


def test_where_only_the_modulation_learns_nothing_else_does_and_no_statistics_move(batch):
    modulated = build_segmenter(tiny("network.channels=32", "network.modulated=true").network, pretrained=True)
    before = {name: value.clone() for name, value in modulated.state_dict().items()}
    phase = GeneratorLoss(modulated, Objective(), freeze_encoder_norm=False, modulation_only=True).train()
    phase(*batch[:4], ALL)["loss"].backward()
    learning = {name for name, parameter in modulated.named_parameters() if parameter.grad is not None}
    assert learning == {"generator.modulation.weight", "generator.modulation.bias"}
    assert all(torch.equal(before[name], value) for name, value in modulated.state_dict().items())


def test_the_outline_that_is_to_be_explained_moves_with_the_first_dimension_of_z(segmenter, batch, monkeypatch):
    constants = Objective(outline_spread=0.2)
    truths: list[torch.Tensor] = []
    monkeypatch.setattr(step, "generator_objective", lambda *terms: truths.append(terms[1]) or {})
    phase = GeneratorLoss(segmenter, constants, freeze_encoder_norm=True).train()
    for far in (-1.5, 0.0, 1.5):
        monkeypatch.setattr(DiagonalGaussian, "sample", lambda self, far=far: self.mean + far * self.std)
        phase(*batch[:4], ALL)
    smaller, same, larger = truths
    assert torch.equal(same, batch.mask)
    assert 1.5 < larger.sum() / same.sum() < 2.5
    assert 1.5 < same.sum() / smaller.sum() < 2.5


def test_the_second_phase_has_no_parameter_but_the_estimators(segmenter):
    phase = EstimatorLoss(segmenter, samples=2)
    assert {id(p) for p in phase.parameters()} == {id(p) for p in segmenter.estimator.parameters()}


def test_the_second_phase_leaves_the_frozen_networks_in_evaluation_and_their_statistics_alone(segmenter, batch):
    segmenter.eval()
    frozen = {name: value.clone() for name, value in segmenter.generator.state_dict().items()}
    EstimatorLoss(segmenter, samples=2).train()(batch.image)
    assert segmenter.estimator.training
    assert not any(module.training for module in segmenter.generator.modules())
    assert all(torch.equal(frozen[name], value) for name, value in segmenter.generator.state_dict().items())


@pytest.mark.parametrize("frozen", [True, False])
def test_the_encoders_batch_statistics_stay_where_they_are_frozen(segmenter, batch, frozen):
    phase = generator_phase(segmenter, frozen_norm=frozen)
    buffers = {name: value.clone() for name, value in segmenter.generator.named_buffers()}
    phase(*batch[:4], ALL)
    moved = {name for name, value in segmenter.generator.named_buffers() if not torch.equal(buffers[name], value)}
    assert any(name.startswith("backbone.") for name in moved) is not frozen
    assert any(name.startswith("aspp.") for name in moved)


def test_the_loss_on_one_batch_falls(segmenter, batch):
    fabric = Fabric(accelerator="cpu")
    phase = generator_phase(segmenter)
    module, optimiser = fabric.setup(phase, torch.optim.AdamW(phase.parameters(), lr=5e-3))
    module.train()
    losses = []
    for _ in range(20):
        terms = module(*batch[:4], Weights(kl=0.01, coherence=0.3, entropy=0.0))
        losses.append(terms["loss"].item())
        fabric.backward(terms["loss"])
        optimise(fabric, optimiser, module, clip_norm=5.0)
    assert sum(losses[15:]) < 0.8 * sum(losses[:5])


def test_a_step_is_no_longer_than_the_clipped_gradient():
    fabric = Fabric(accelerator="cpu")
    line = torch.nn.Linear(4, 1, bias=False)
    before = line.weight.detach().clone()
    module, optimiser = fabric.setup(line, torch.optim.SGD(line.parameters(), lr=1.0))
    fabric.backward(1000.0 * module(torch.ones(1, 4)).sum())
    optimise(fabric, optimiser, module, clip_norm=0.5)
    assert (line.weight - before).norm().item() == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_term_that_is_no_number_is_refused_with_step_term_and_files(batch, value):
    terms = {"loss": torch.tensor(value), "structure": torch.tensor(1.0), "kl": torch.tensor(value)}
    with pytest.raises(NonFiniteLossError, match=r"^step 7: loss, kl is not finite; batch: one\.png, two\.png$"):
        to_numbers(terms, 7, batch)


def test_terms_become_plain_numbers(batch):
    numbers = to_numbers({"loss": torch.tensor(0.25, requires_grad=True)}, 0, batch)
    assert numbers == {"loss": 0.25}
    assert type(numbers["loss"]) is float


def test_the_encoder_has_its_own_rate_and_only_kernels_decay(segmenter):
    phase = generator_phase(segmenter)
    encoder = set(segmenter.generator.backbone.parameters())
    groups = parameter_groups(phase, encoder, 1e-4, 1e-3, 0.02)
    grouped = [p for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped)) == len(list(phase.parameters()))
    for group in groups:
        for parameter in group["params"]:
            assert group["base_rate"] == (1e-4 if parameter in encoder else 1e-3)
            assert group["weight_decay"] == (0.02 if parameter.ndim > 1 else 0.0)


def test_a_factor_scales_every_rate_from_its_base():
    one, other = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    rates = [{"params": [one], "base_rate": 1.0, "lr": 1.0}, {"params": [other], "base_rate": 0.1, "lr": 0.1}]
    optimiser = torch.optim.AdamW(rates)
    for factor in (0.5, 0.25):
        set_learning_rate(optimiser, factor)
        assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([factor, 0.1 * factor])


@pytest.mark.parametrize("phase", ["generator", "estimator"])
def test_a_phase_loses_next_to_nothing_in_mixed_precision(segmenter, batch, phase):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        module = generator_phase(segmenter) if phase == "generator" else EstimatorLoss(segmenter, samples=2).train()
        fabric = Fabric(accelerator="cpu", precision=precision)
        learner = fabric.setup_module(module)
        torch.manual_seed(1)
        terms = learner(*batch[:4], ALL) if phase == "generator" else learner(batch.image)
        fabric.backward(terms["loss"])
        losses[precision] = {name: float(value.detach()) for name, value in terms.items()}
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.02, abs=2e-3)


def test_a_norm_of_0_clips_nothing():
    line = torch.nn.Linear(4, 1, bias=False)
    fabric = Fabric(accelerator="cpu")
    before = line.weight.detach().clone()
    module, optimiser = fabric.setup(line, torch.optim.SGD(line.parameters(), lr=1.0))
    fabric.backward(1000.0 * module(torch.ones(1, 4)).sum())
    optimise(fabric, optimiser, module, clip_norm=0.0)
    assert torch.allclose(before - line.weight, torch.full((1, 4), 1000.0), rtol=1e-3)
