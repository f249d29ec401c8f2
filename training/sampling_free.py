"""How well one pass stands in for sampling: g_gamma against Monte Carlo, each beside a trivial predictor."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor

from models.frame import fit, fit_map
from models.networks.segmenter import SmokeSegmenter
from models.networks.uncertainty import Uncertainty, binary_entropy, decompose
from training import metrics
from training.data.smoke5k import Frame, load_image, load_mask
from training.sampling import sample_probabilities

DOUBTFUL_NATS = 0.05
"""Pixels whose Monte Carlo total exceeds this are compared: elsewhere everything is near 0 and agrees for free."""
_PIXELS_PER_FRAME = 4000

Values = npt.NDArray[np.float64]


class _Pixels(NamedTuple):
    """Doubtful pixels of one frame, each (n,): sampled and estimated uncertainties in nats, and H(s) of the deployed pass."""

    sampled: tuple[Values, Values, Values]
    estimated: tuple[Values, Values, Values]
    entropy: Values


class _Frame(NamedTuple):
    """What one frame gives: its doubtful pixels, how far the means are apart, both F-betas (256,) and both times."""

    pixels: _Pixels
    mean_difference: float
    f_beta: tuple[metrics.Curve, metrics.Curve]
    seconds: tuple[float, float]


def compare(segmenter: SmokeSegmenter, frames: Sequence[Frame], size_px: int, samples: int = 50) -> dict[str, Any]:
    """Compare the deployed pass with Monte Carlo sampling of the same networks.

    Args:
        segmenter: In evaluation mode, temperature 1: samples are not tempered.
        frames: What to compare on.
        size_px: Side of the model's square.
        samples: B.

    Returns:
        Per uncertainty: Spearman, Pearson and mean absolute error in nats of g_gamma and of the trivial predictor, which is H(s) for
        total and aleatoric, and H(s) scaled to the right mean for epistemic. And: mean |s - p_mu|, both maximal F-betas, both times.
    """
    torch.manual_seed(0)
    found = list(_measure(segmenter, frames, size_px, samples))
    deployed_s, sampled_s = (float(np.mean([frame.seconds[which] for frame in found])) for which in (0, 1))
    f_betas = [float(np.mean([frame.f_beta[which] for frame in found], axis=0).max()) for which in (0, 1)]
    return {
        "frames": len(found),
        "samples": samples,
        **_agreements([frame.pixels for frame in found]),
        "mean_absolute_difference": float(np.mean([frame.mean_difference for frame in found])),
        "f_beta": {"deployed": f_betas[0], "sampled": f_betas[1]},
        "seconds": {"deployed": deployed_s, "sampled": sampled_s, "ratio": sampled_s / deployed_s},
    }


def agreement(sampled: Values, estimated: Values) -> dict[str, float]:
    """Spearman, Pearson, and mean absolute error in nats of estimates (n,) against samples (n,); 0 where either is constant."""
    varied = len(sampled) > 1 and np.ptp(sampled) > 0 and np.ptp(estimated) > 0
    return {
        "spearman": float(stats.spearmanr(sampled, estimated).statistic) if varied else 0.0,
        "pearson": float(stats.pearsonr(sampled, estimated).statistic) if varied else 0.0,
        "error_nats": float(np.abs(sampled - estimated).mean()) if len(sampled) else 0.0,
    }


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
        yield _Frame(
            pixels=_doubtful(decompose(drawn), Uncertainty(*deployed[1:]), deployed.probability, rng),
            mean_difference=float((deployed.probability - mean).abs().mean()),
            f_beta=(_f_beta(deployed.probability, truth, size_px), _f_beta(mean, truth, size_px)),
            seconds=(between - started, ended - between),
        )


def _sample(segmenter: SmokeSegmenter, frame: Tensor, samples: int) -> Tensor:
    """Probabilities (samples, 1, size, size) of one frame (1, size, size, 3)."""
    image = segmenter.normalise(frame.permute(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    return sample_probabilities(segmenter.generator, segmenter.inference_model, image, samples)[:, :, 0]


def _doubtful(sampled: Uncertainty, estimated: Uncertainty, probability: Tensor, rng: np.random.Generator) -> _Pixels:
    """Some of the pixels whose sampled total is above DOUBTFUL_NATS, drawn without replacement."""
    chosen = np.flatnonzero(sampled.total.numpy().ravel() > DOUBTFUL_NATS)
    chosen = rng.permutation(chosen)[:_PIXELS_PER_FRAME]

    def take(values: Tensor) -> Values:
        return values.numpy().ravel()[chosen].astype(np.float64)

    total, aleatoric, epistemic = (take(values) for values in sampled)
    return _Pixels(
        (total, aleatoric, epistemic),
        (take(estimated.total), take(estimated.aleatoric), take(estimated.epistemic)),
        take(binary_entropy(probability)),
    )


def _f_beta(probability: Tensor, truth: npt.NDArray[np.float32], size_px: int) -> metrics.Curve:
    mask = fit_map(truth, size_px) >= 0.5
    return metrics.f_beta(metrics.count(probability[0].numpy(), np.asarray(mask)))
