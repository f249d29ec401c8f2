"""What a run is made of: where the networks start, and the weights of a step."""

from pathlib import Path

import pytest
import torch

from tests.training.conftest import Run, tiny
from training.data.folders import read_frames
from training.engine.checkpoint import CheckpointError, load_averaged
from training.engine.networks import build_segmenter
from training.engine.setup import estimator_members, mix_in_initial, start_segmenter, step_weights
from training.losses.objective import Weights


def test_a_run_starts_from_the_averaged_networks_of_another(tiny_run: Run):
    started = start_segmenter(tiny(f"initial={tiny_run.checkpoint}"), (), resumed=False).state_dict()
    averaged = load_averaged(tiny_run.checkpoint)
    assert started.keys() == averaged.keys()
    assert all(torch.equal(started[name], averaged[name]) for name in started)


def test_a_run_that_is_resumed_does_not_look_for_where_it_started():
    start_segmenter(tiny("initial=long/gone.ckpt"), (), resumed=True)


def test_an_initial_checkpoint_of_other_networks_is_refused_by_tensor(tiny_run: Run, tmp_path: Path):
    state = torch.load(tiny_run.checkpoint, weights_only=True)
    del state["average"]["module.generator.head.weight"]
    torch.save(state, tmp_path / "other.ckpt")
    with pytest.raises(
        CheckpointError, match=r"other\.ckpt: of other networks: 1 tensors differ, .*'generator\.head\.weight'"
    ):
        start_segmenter(tiny(f"initial={tmp_path / 'other.ckpt'}"), (), resumed=False)


def test_statistics_that_an_older_checkpoint_does_not_know_are_found_anew(tiny_run: Run, tmp_path: Path):
    state = torch.load(tiny_run.checkpoint, weights_only=True)
    names = [name for name in state["average"] if "deep_feature_norm" in name]
    for name in names:
        del state["average"][name]
    torch.save(state, tmp_path / "older.ckpt")
    started = start_segmenter(tiny(f"initial={tmp_path / 'older.ckpt'}"), (), resumed=False)
    assert len(names) == 3
    assert torch.equal(
        started.generator.deep_feature_norm.running_mean, torch.zeros(started.generator.deep_feature_norm.num_features)
    )


def test_of_networks_without_modulation_by_z_it_does_nothing(tiny_run: Run, tmp_path: Path):
    config = tiny(f"initial={tiny_run.checkpoint}", "network.modulated=true")
    modulated = start_segmenter(config, (), resumed=False)
    torch.nn.init.ones_(modulated.generator.modulation.weight)
    average = {f"module.{name}": value for name, value in modulated.state_dict().items()}
    torch.save({"average": average}, tmp_path / "modulated.ckpt")
    mixed = config.model_copy(update={"initial": (str(tmp_path / "modulated.ckpt"), str(tiny_run.checkpoint))})
    frames = read_frames([tiny_run.data], "train")
    started = start_segmenter(mixed, frames, resumed=False).generator.modulation
    assert torch.equal(started.weight, torch.full_like(started.weight, 0.5))  # 1 of one, 0 of the other


def test_a_missing_initial_checkpoint_is_refused_by_name():
    with pytest.raises(CheckpointError, match=r"gone\.ckpt: not found"):
        start_segmenter(tiny("initial=gone.ckpt"), (), resumed=False)


def test_the_divergence_comes_slowly_and_the_entropy_when_the_estimator_is_warm():
    settings = tiny().generator  # the divergence warms up over 10 steps, the entropy starts at step 12
    assert step_weights(settings, 0) == Weights(kl=0.0, coherence=0.3, entropy=0.0, boxes=0.5)
    assert step_weights(settings, 5).kl == pytest.approx(0.005)
    assert step_weights(settings, 11) == Weights(kl=0.01, coherence=0.3, entropy=0.0, boxes=0.5)
    assert step_weights(settings, 12) == Weights(kl=0.01, coherence=0.3, entropy=0.01, boxes=0.5)


def test_members_are_the_averaged_networks_of_their_checkpoints_as_they_would_be_deployed(tiny_run: Run):
    config = tiny(f'estimator.members=["{tiny_run.checkpoint}"]')
    (member,) = estimator_members(config, build_segmenter(config.network, pretrained=False), ())
    expected = load_averaged(tiny_run.checkpoint)
    assert all(torch.equal(value, expected[name]) for name, value in member.state_dict().items())
    assert not any(module.training for module in member.modules())


def test_a_missing_member_is_refused_by_name():
    config = tiny('estimator.members=["gone.ckpt"]')
    with pytest.raises(CheckpointError, match=r"gone\.ckpt"):
        estimator_members(config, build_segmenter(config.network, pretrained=False), ())


def test_a_member_that_never_learned_to_modulate_takes_the_generators_modulation(tiny_run: Run):
    config = tiny(f'estimator.members=["{tiny_run.checkpoint}"]', "network.modulated=true")
    segmenter = build_segmenter(config.network, pretrained=False)
    torch.nn.init.ones_(segmenter.generator.modulation.weight)
    (member,) = estimator_members(config, segmenter, ())
    assert member.generator.modulation is segmenter.generator.modulation
    torch.nn.init.constant_(segmenter.generator.modulation.weight, 2.0)
    assert (member.generator.modulation.weight == 2.0).all()  # also of what it learns later
    assert torch.equal(member.generator.head.weight, load_averaged(tiny_run.checkpoint)["generator.head.weight"])


def test_several_initial_checkpoints_give_the_mean_of_their_weights_with_statistics_found_anew(
    tiny_run: Run, tmp_path: Path
):
    other = _with_weights_doubled(tiny_run, tmp_path / "other.ckpt")
    frames = read_frames([tiny_run.data], "train")
    alone, mean = (
        start_segmenter(tiny(f'initial=["{tiny_run.checkpoint}", "{path}"]'), frames, resumed=False)
        for path in (tiny_run.checkpoint, other)
    )
    one = load_averaged(tiny_run.checkpoint)
    torch.testing.assert_close(mean.generator.head.weight.detach(), 1.5 * one["generator.head.weight"])
    variances = [started.generator.deep_norm_act[0].running_var for started in (alone, mean)]
    torch.testing.assert_close(variances[1], 1.5**2 * variances[0])
    assert mean.generator.deep_norm_act[0].momentum == 0.1
    kept = "generator.backbone.encoder.bn1.running_mean"
    assert torch.equal(mean.state_dict()[kept], one[kept])


def test_a_checkpoint_named_twice_counts_twice(tiny_run: Run, tmp_path: Path):
    other = _with_weights_doubled(tiny_run, tmp_path / "other.ckpt")
    config = tiny(f'initial=["{tiny_run.checkpoint}", "{tiny_run.checkpoint}", "{other}"]')
    started = start_segmenter(config, read_frames([tiny_run.data], "train"), resumed=False)
    one = load_averaged(tiny_run.checkpoint)["generator.head.weight"]
    torch.testing.assert_close(started.generator.head.weight.detach(), 4 / 3 * one)


def _with_weights_doubled(run: Run, path: Path) -> Path:
    state = torch.load(run.checkpoint, weights_only=True)
    for name, value in state["average"].items():
        if name.endswith((".deep_from_feature.weight", ".deep_from_latent.weight", ".head.weight")):
            value.mul_(2.0)
    torch.save(state, path)
    return path


def test_of_what_was_learned_and_what_it_began_with_the_asked_share_is_kept(tiny_run: Run):
    config = tiny(f"initial={tiny_run.checkpoint}", "generator.initial_share=0.25")
    learned = start_segmenter(config, (), resumed=False)
    began = learned.generator.head.weight.detach().clone()
    torch.nn.init.ones_(learned.generator.head.weight)
    before = learned.generator.deep_feature_norm.running_mean.clone()
    mix_in_initial(learned, config, read_frames(tiny_run.data, "train"))
    assert torch.allclose(learned.generator.head.weight, 0.75 + 0.25 * began)
    assert not torch.equal(learned.generator.deep_feature_norm.running_mean, before)
