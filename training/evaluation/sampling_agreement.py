"""How well one pass stands in for sampling: g_gamma against Monte Carlo, each beside a trivial predictor."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor

from models.geometry import fit, fit_map
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty import Uncertainty, binary_entropy, decompose
from training.data.frames import Frame, load_image, load_mask
from training.engine.monte_carlo import sample_nested, sample_probabilities
from training.metrics import segmentation
from training.metrics.energy_distance import generalised_energy_distance

DOUBTFUL_NATS = 0.05
"""Pixels whose Monte Carlo total exceeds this are compared: elsewhere everything is near 0 and agrees for free."""
_PIXELS_PER_FRAME = 4000
_LATENTS = 5
"""z for each dropout mask in nested sampling."""

_Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class _Pixels(NamedTuple):
    """Doubtful pixels of one frame: sampled and estimated uncertainties in nats, each (3, n), and H(s) of the deployed pass, (n,)."""

    sampled: _Values
    estimated: _Values
    entropy: _Values


class _Nested(NamedTuple):
    """Both decompositions of the same samples at the doubtful pixels of one frame, in nats, each (2, n): aleatoric, epistemic."""

    flat: _Values
    nested: _Values


class _Frame(NamedTuple):
    """What one frame gives: its doubtful pixels, how far the means are apart, both F-betas (256,), energy distances and times."""

    pixels: _Pixels
    forms: _Nested
    mean_difference: float
    f_beta: tuple[segmentation.Curve, segmentation.Curve]
    energy: tuple[float, float]
    seconds: tuple[float, float]


def compare_with_sampling(
    segmenter: SmokeSegmenter, frames: Sequence[Frame], size_px: int, samples: int = 50
) -> dict[str, Any]:
    """Compare the deployed pass with Monte Carlo sampling of the same networks.

    Args:
        segmenter: In evaluation mode, temperature 1: samples are not tempered.
        frames: What to compare on.
        size_px: Side of the model's square.
        samples: B.

    Returns:
        Per uncertainty: Spearman, Pearson and mean absolute error in nats of g_gamma and of the trivial predictor, which is H(s) for
        total and aleatoric, and H(s) scaled to the right mean for epistemic. And: mean |s - p_mu|, F-betas, generalised energy
        distances from the truth (masks at .5, frames with smoke) and times of both; and, under `nested`, how far the decomposition
        with z averaged inside the entropy is from the flat one of the same samples.
    """
    torch.manual_seed(0)
    found = list(_measure(segmenter, frames, size_px, samples))
    deployed_s, sampled_s = (float(np.mean([frame.seconds[which] for frame in found])) for which in (0, 1))
    deployed, sampled = (np.mean([frame.f_beta[which] for frame in found], axis=0) for which in (0, 1))
    return {
        "frames": len(found),
        "samples": samples,
        **_agreements([frame.pixels for frame in found]),
        "mean_absolute_difference": float(np.mean([frame.mean_difference for frame in found])),
        "f_beta": {
            "deployed": float(deployed.max()),
            "sampled": float(sampled.max()),
            "deployed_mean": float(deployed.mean()),
            "sampled_mean": float(sampled.mean()),
        },
        "energy_distance": _energy(found),
        "seconds": {"deployed": deployed_s, "sampled": sampled_s, "ratio": sampled_s / deployed_s},
        "nested": {**_nested_shape(samples), **_distances([frame.forms for frame in found])},
    }


def agreement(sampled: _Values, estimated: _Values) -> dict[str, float]:
    """Spearman, Pearson, and mean absolute error in nats of estimates (n,) against samples (n,); 0 where either is constant."""
    varied = len(sampled) > 1 and np.ptp(sampled) > 0 and np.ptp(estimated) > 0
    return {
        "spearman": float(stats.spearmanr(sampled, estimated).statistic) if varied else 0.0,
        "pearson": float(stats.pearsonr(sampled, estimated).statistic) if varied else 0.0,
        "error_nats": float(np.abs(sampled - estimated).mean()) if len(sampled) else 0.0,
    }


def doubtful(total: npt.NDArray[np.float32], rng: np.random.Generator) -> Indices:
    """Some of the pixels whose total is above DOUBTFUL_NATS, drawn without replacement: places in the raveled map."""
    return rng.permutation(np.flatnonzero(total.ravel() > DOUBTFUL_NATS))[:_PIXELS_PER_FRAME]


def _energy(found: Sequence[_Frame]) -> dict[str, float]:
    """Means over the frames with smoke, where there are any; 0 where not."""
    energies = np.array([frame.energy for frame in found if np.isfinite(frame.energy[0])]).reshape(-1, 2)
    deployed, sampled = energies.mean(axis=0) if len(energies) else (0.0, 0.0)
    return {"deployed": float(deployed), "sampled": float(sampled)}


def _distances(forms: Sequence[_Nested]) -> dict[str, dict[str, float]]:
    """Means of both forms over the doubtful pixels, and the mean distance between them."""
    flat = np.concatenate([form.flat for form in forms], axis=1)
    nested = np.concatenate([form.nested for form in forms], axis=1)
    if not flat.size:
        return {name: {"flat": 0.0, "nested": 0.0, "distance": 0.0} for name in ("aleatoric", "epistemic")}
    return {
        name: {
            "flat": float(flat[row].mean()),
            "nested": float(nested[row].mean()),
            "distance": float(np.abs(flat[row] - nested[row]).mean()),
        }
        for row, name in enumerate(("aleatoric", "epistemic"))
    }


def _nested_shape(samples: int) -> dict[str, int]:
    """As many samples, in masks of several z each."""
    return {"masks": max(samples // _LATENTS, 1), "latents": min(samples, _LATENTS)}


def _agreements(pixels: Sequence[_Pixels]) -> dict[str, Any]:
    """Agreement of g_gamma and of the trivial predictor with the samples, over the doubtful pixels of all frames."""
    entropy = np.concatenate([frame.entropy for frame in pixels])
    report: dict[str, Any] = {"pixels": len(entropy)}
    for index, name in enumerate(Uncertainty._fields):
        sampled = np.concatenate([frame.sampled[index] for frame in pixels])
        estimated = np.concatenate([frame.estimated[index] for frame in pixels])
        scale = sampled.mean() / max(entropy.mean(), 1e-9) if name == "epistemic" and len(entropy) else 1.0
        report[name] = {"estimator": agreement(sampled, estimated), "trivial": agreement(sampled, scale * entropy)}
    return report


@torch.inference_mode()
def _measure(segmenter: SmokeSegmenter, frames: Sequence[Frame], size_px: int, samples: int) -> Iterator[_Frame]:
    rng = np.random.default_rng(0)
    for frame in frames:
        image = load_image(frame.image)
        truth = load_mask(frame, image.shape)
        batch = torch.from_numpy(np.ascontiguousarray(fit(image, size_px)))[None]
        started = time.perf_counter()
        deployed = segmenter(batch)
        between = time.perf_counter()
        drawn = _sample(segmenter, batch, samples)
        ended = time.perf_counter()
        mean = drawn.mean(dim=0)
        chosen = doubtful(decompose(drawn).total.numpy(), rng)
        yield _Frame(
            pixels=_pixels(decompose(drawn), Uncertainty(*deployed[1:4]), deployed.probability, chosen),
            forms=_both_forms(segmenter, batch, samples, chosen),
            mean_difference=float((deployed.probability - mean).abs().mean()),
            f_beta=(_f_beta(deployed.probability, truth, size_px), _f_beta(mean, truth, size_px)),
            energy=_energies(deployed.probability, drawn, truth, size_px),
            seconds=(between - started, ended - between),
        )


def _sample(segmenter: SmokeSegmenter, frame: Tensor, samples: int) -> Tensor:
    """Probabilities (samples, 1, size, size) of one frame (1, size, size, 3)."""
    image = _normalised(segmenter, frame)
    return sample_probabilities(segmenter.generator, segmenter.inference_model, image, samples)[:, :, 0]


def _both_forms(segmenter: SmokeSegmenter, frame: Tensor, samples: int, chosen: Indices) -> _Nested:
    """The flat and the nested decomposition of one set of samples, at the chosen pixels."""
    image = _normalised(segmenter, frame)
    drawn = sample_nested(segmenter.generator, segmenter.inference_model, image, **_nested_shape(samples))[:, :, 0, 0]
    flat, nested = decompose(drawn.flatten(0, 1)), decompose(drawn.mean(dim=1))
    return _Nested(_take(flat[1:], chosen), _take(nested[1:], chosen))


def _normalised(segmenter: SmokeSegmenter, frame: Tensor) -> Tensor:
    image: Tensor = segmenter.normalise(frame.permute(0, 3, 1, 2))
    return image.contiguous(memory_format=torch.channels_last)


def _pixels(sampled: Uncertainty, estimated: Uncertainty, probability: Tensor, chosen: Indices) -> _Pixels:
    return _Pixels(_take(sampled, chosen), _take(estimated, chosen), _take([binary_entropy(probability)], chosen)[0])


def _take(maps: Sequence[Tensor], chosen: Indices) -> _Values:
    """The chosen pixels of each map, (maps, n)."""
    return np.stack([values.numpy().ravel()[chosen].astype(np.float64) for values in maps])


def _f_beta(probability: Tensor, truth: npt.NDArray[np.float32], size_px: int) -> segmentation.Curve:
    mask = fit_map(truth, size_px) >= 0.5
    return segmentation.f_beta(segmentation.count(probability[0].numpy(), np.asarray(mask)))


def _energies(probability: Tensor, drawn: Tensor, truth: npt.NDArray[np.float32], size_px: int) -> tuple[float, float]:
    """Of the deployed mask, and of the sampled ones; NaN on a frame without smoke."""
    mask = np.asarray(fit_map(truth, size_px) >= 0.5)
    if not mask.any():
        return np.nan, np.nan
    deployed, sampled = (generalised_energy_distance(p.numpy() >= 0.5, mask) for p in (probability, drawn[:, 0]))
    return deployed, sampled
