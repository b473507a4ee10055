"""The optimiser and its learning rate."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sampleformer.errors import shown
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


def check_state(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError if what an optimiser has from a file does not fit its parameters.

    A fused step does not look, and would write beyond the memory of a tensor that is too small.
    """
    for group in optimizer.param_groups:
        for number, parameter in enumerate(group["params"]):
            for name, value in optimizer.state.get(parameter, {}).items():
                expected = torch.zeros(()) if name == "step" else parameter
                if _layout(value) != _layout(expected):
                    found = f"found {_layout(value)}, expected {_layout(expected)}"
                    raise ValueError(f"optimizer: {name} of parameter {number}: {found}")


def _layout(value: Any) -> str:
    """Type, shape and strides of a tensor."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided:
        return shown(value)
    return f"{value.dtype} of shape {tuple(value.shape)} and strides {value.stride()}"


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
