"""Agreement of one pass with sampling, where it is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import tiny
from training.data.folders import read_frames
from training.engine.networks import build_segmenter
from training.evaluation.sampling_agreement import agreement, compare_with_sampling


def test_a_perfect_estimate_ranks_alike_and_errs_by_nothing():
    values = np.linspace(0.05, 0.6, 50)
    assert agreement(values, values) == pytest.approx({"spearman": 1.0, "pearson": 1.0, "error_nats": 0.0})


def test_a_monotone_estimate_ranks_alike_and_its_error_is_the_mean_distance():
    values = np.linspace(0.1, 0.6, 50)
    found = agreement(values, values**2)
    assert found["spearman"] == pytest.approx(1.0)
    assert found["pearson"] < 1.0
    assert found["error_nats"] == pytest.approx(float((values - values**2).mean()))


def test_a_constant_estimate_has_no_rank_to_agree_with():
    assert agreement(np.linspace(0.1, 0.6, 50), np.full(50, 0.3))["spearman"] == 0.0


def test_without_dropout_and_spread_of_z_sampling_is_the_deployed_pass_and_the_entropy_says_it_all(data: Path):
    config = tiny("network.dropout=0.0")
    segmenter = build_segmenter(config.network, pretrained=False).eval()
    with torch.no_grad():
        segmenter.inference_model.log_variance.weight.zero_()
        segmenter.inference_model.log_variance.bias.fill_(-50.0)
        segmenter.generator.deep_from_latent.weight.zero_()
    frames = read_frames(data, "val")[:2]
    report = compare_with_sampling(segmenter, frames, config.data.size_px, samples=3)
    assert report["pixels"] > 100
    assert report["mean_absolute_difference"] < 1e-5
    assert report["f_beta"]["deployed"] == pytest.approx(report["f_beta"]["sampled"], abs=1e-6)
    assert report["total"]["trivial"]["error_nats"] < 1e-5
    assert report["aleatoric"]["trivial"]["error_nats"] < 1e-5


def test_dropout_makes_the_samples_differ_and_their_epistemic_part_is_above_zero(data: Path):
    config = tiny("network.dropout=0.5")
    segmenter = build_segmenter(config.network, pretrained=False).eval()
    report = compare_with_sampling(segmenter, read_frames(data, "val")[:1], config.data.size_px, samples=4)
    assert report["mean_absolute_difference"] > 1e-4
    assert report["epistemic"]["trivial"]["error_nats"] > 0.0
    assert report["frames"] == 1


def test_averaging_over_z_first_moves_what_z_leaves_open_from_epistemic_to_aleatoric(data: Path):
    config = tiny("network.dropout=0.5")
    segmenter = build_segmenter(config.network, pretrained=False).eval()
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.mul_(100.0)
    nested = compare_with_sampling(segmenter, read_frames(data, "val")[:1], config.data.size_px, samples=10)["nested"]
    assert (nested["masks"], nested["latents"]) == (2, 5)
    moved = nested["aleatoric"]["nested"] - nested["aleatoric"]["flat"]
    assert moved > 0.0
    assert nested["epistemic"]["flat"] - nested["epistemic"]["nested"] == pytest.approx(moved, abs=1e-6)
    assert nested["epistemic"]["distance"] == pytest.approx(moved, abs=1e-6)


def test_without_spread_of_z_both_forms_are_one(data: Path):
    config = tiny("network.dropout=0.5")
    segmenter = build_segmenter(config.network, pretrained=False).eval()
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.zero_()
    nested = compare_with_sampling(segmenter, read_frames(data, "val")[:1], config.data.size_px, samples=10)["nested"]
    assert nested["epistemic"]["flat"] > 0.0
    assert nested["epistemic"]["distance"] < 1e-6


def test_samples_without_spread_are_as_far_from_the_truth_as_one_pass_and_others_are_not(data: Path):
    frames = [frame for frame in read_frames(data, "val") if frame.mask][:1]
    segmenter = build_segmenter(tiny("network.dropout=0.0").network, pretrained=False).eval()
    with torch.no_grad():
        segmenter.generator.deep_from_latent.weight.zero_()
    still = compare_with_sampling(segmenter, frames, 64, samples=4)["energy_distance"]
    assert still["sampled"] == pytest.approx(still["deployed"], abs=1e-6)
    assert still["deployed"] > 0.0
    segmenter = build_segmenter(tiny("network.dropout=0.5").network, pretrained=False).eval()
    moving = compare_with_sampling(segmenter, frames, 64, samples=4)["energy_distance"]
    assert abs(moving["sampled"] - moving["deployed"]) > 1e-3
