"""What a run looks at between epochs: the scores of the averaged model, the state of z, and a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.geometry import RGB, fit
from models.networks.segmenter import SmokeSegmenter
from training import latent_activity
from training.data.frames import REAL_SMOKE, Frame, evenly_spaced, load_image
from training.latent_activity import LatentActivity
from training.pictures import answer_panel
from training.prediction import torch_predictor
from training.scores import Summary, choose_level, score_frames, summarise

_MINIMUM_REGION = 0.0002
_SHOWN, _SAMPLED = 3, 12


class Validation(NamedTuple):
    """Scores, what z carries, and (h, w, 3) uint8: a few frames with mask, probability and the three uncertainties."""

    summary: Summary
    latent: LatentActivity
    picture: RGB


def validate(segmenter: SmokeSegmenter, frames: Sequence[Frame], size_px: int, false_alarms: float) -> Validation:
    """Score the deployed module.

    Args:
        segmenter: In evaluation mode.
        frames: Of `val`, some with smoke.
        size_px: Side of the model's square.
        false_alarms: Image-level rate that the threshold keeps where it can.
    """
    predict = torch_predictor(segmenter)
    scores = score_frames(predict, frames, size_px, _MINIMUM_REGION)
    summary = summarise(scores, choose_level(scores, false_alarms))
    smoke = [frame for frame in frames if frame.kind == REAL_SMOKE]
    shown = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(smoke, _SHOWN)]
    picture = np.concatenate([answer_panel(frame, predict(frame), summary.threshold) for frame in shown])
    sampled = [fit(load_image(frame.image), size_px) for frame in evenly_spaced(frames, _SAMPLED)]
    return Validation(summary, latent_activity.measure(segmenter, sampled), picture)
