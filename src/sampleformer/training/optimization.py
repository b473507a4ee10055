"""The optimiser and its learning rate."""

import math
from collections.abc import Callable

import torch
from torch import nn

from sampleformer.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW over all parameters that learn; only those with at least two dimensions are decayed."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    # One fused call a step: small models on a CPU otherwise spend milliseconds on looping over their parameters.
    fused = settings.precision == "32-true" and all(p.device.type in ("cpu", "cuda") for p in learning)
    groups = [group for group in groups if group["params"]]
    return kind(groups, lr=settings.learning_rate, betas=(0.9, 0.999), fused=fused)


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
