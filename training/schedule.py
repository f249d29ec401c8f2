"""Learning rate and annealing as functions of the step alone, so that resuming needs no scheduler state."""

import math


def learning_rate_factor(step: int, steps: int, warmup_steps: int, final_fraction: float) -> float:
    """Linear warm-up from 0 to 1, then a cosine from 1 to `final_fraction` at the last step."""
    if step < warmup_steps:
        return linear_warmup(step + 1, warmup_steps)
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def step_factor(step: int, warmup_steps: int, decay_step: int, final_fraction: float) -> float:
    """Linear warm-up from 0 to 1, and `final_fraction` from `decay_step` on (paper: 0.8 after epoch 40)."""
    return linear_warmup(step + 1, warmup_steps) * (final_fraction if step >= decay_step else 1.0)


def linear_warmup(step: int, warmup_steps: int) -> float:
    """0 at the first step, 1 from `warmup_steps` on."""
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0
