"""The model card: what a release is for, what it was made from, what was measured, and where it ends."""

from collections.abc import Mapping
from typing import Any

from training.config import Config
from training.evaluation.report import markdown


def model_card(
    release: str,
    config: Config,
    threshold: float,
    parity: Mapping[str, float],
    report: Mapping[str, Any],
    remark: str = "",
) -> str:
    """Markdown in the form people know: use, data, recipe, numbers, limits; `remark` ends the recipe."""
    measured = (
        _below_a_heading(markdown(report))
        if report
        else "Not evaluated: the threshold is a default, not a fitted one.\n"
    )
    return f"""# {release}

Segments wildfire smoke in a camera frame and says what it doubts: probability in [0, 1], total, aleatoric and epistemic
uncertainty in [0, ln 2] nats, in one pass and without sampling.

## Intended use
Looking for smoke plumes in daylight frames of fixed outdoor cameras, as a second pair of eyes beside a person. Not for use as the
only alarm, not for indoor smoke, and not for measuring smoke.

{_model(config, threshold)}

{_data(config)}

{_recipe(config, parity)}
{remark}

## Measured
{measured}
## Limits
Few regions (Southern California and Dalmatia dominate), daylight only, distant plumes: the median plume covers a third of a percent
of the frame. Scores on a camera seen in training say little about a new one; the numbers above are of cameras that are in no training
frame. It was not tried at night, on snow or on dust, nor on other continents.
All numbers are of one run: how far another seed would be from them was not measured.
"""


def _model(config: Config, threshold: float) -> str:
    return f"""## Model
Yan et al. 2022, «Transmission-Guided Bayesian Generative Model for Smoke Segmentation», with the encoder
`{config.network.encoder}`, a latent of {config.network.latent_dim} dimensions, dropout {config.network.dropout}, DenseASPP at stride
{config.network.decoder_stride}. Deployed: z = mu(x), dropout off, one pass; the estimator g_gamma sees that pass. Input: RGB frame
squashed to {config.data.size_px} x {config.data.size_px}; normalisation is in the graph. A pixel is smoke from a probability of
{threshold:.3f} on."""


def _data(config: Config) -> str:
    return f"""## Data
Real frames of SMOKE5K's training set (HPWREN cameras, UCSD; FESB, University of Split), its synthetic part, smoke-free landscapes and
hard negatives, smoke rendered by this package over smoke-free frames, and smoke of one training frame laid over another
(transplanted), drawn in these shares: {_shares(config)}.{_distractors(config)}
SMOKE5K was published for research without a stated licence; so treat these weights as for research, and ask its authors before
anything else.
Training and validation share no camera or event."""


def _distractors(config: Config) -> str:
    share = config.data.decoys
    return (
        f"\nInto {share:g} of the views pale things of other training frames were put, where no smoke is (decoys)."
        if share
        else ""
    )


def _shares(config: Config) -> str:
    return ", ".join(f"{source} {share:g}" for source, share in config.data.mix.items())


def _recipe(config: Config, parity: Mapping[str, float]) -> str:
    steps = sum(stage.steps for stage in config.generator.stages)
    seen = sum(stage.steps * stage.batch for stage in config.generator.stages)
    differences = ", ".join(f"{name} {value:.1e}" for name, value in parity.items())
    return f"""## Recipe
`smoke-bvm-train train` with configuration {config.sha256()} (resolved in `manifest.json`), seed {config.seed}: {steps:,} steps,
{seen:,} views for the generator (eq. 11), {_estimator(config)}
(eq. 6, {config.estimator.samples} Monte Carlo samples). Torch and onnxruntime differ by at most: {differences}."""


def _estimator(config: Config) -> str:
    every, steps = config.estimator.joint_every, sum(stage.steps for stage in config.estimator.stages)
    beside = f"g_gamma beside it, one step in {every}" if every else ""
    after = f"then {steps:,} steps for g_gamma on the frozen generator" if steps else ""
    return ", ".join(filter(None, (beside, after)))


def _below_a_heading(text: str) -> str:
    """The same Markdown with each heading two levels lower, to stand below a heading of its own."""
    return "".join(f"##{line}" if line.startswith("#") else line for line in text.splitlines(keepends=True))
