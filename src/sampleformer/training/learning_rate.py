"""The learning rate as a function of the step."""

import math
from collections.abc import Callable

from sampleformer.training.settings import TrainingSettings


def rate_factor(settings: TrainingSettings, total_steps: int) -> Callable[[int], float]:
    """The learning rate as a share of its highest value, as a function of the step, counted from 0.

    Example:
        >>> settings = TrainingSettings(steps=10, warmup_steps=2, schedule="linear")
        >>> [rate_factor(settings, 10)(step) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warmup = min(settings.warmup_steps, total_steps // 5)  # a small table's training would end in its warm-up
    falling = max(1, total_steps - warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / falling)
        if settings.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        return 1 - progress if settings.schedule == "linear" else 1.0

    return factor
