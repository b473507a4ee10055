"""Entropy and load of scores, one number at a time in float64."""

import math

import torch
from torch import Tensor


def _probabilities(scores: Tensor, mask: Tensor) -> list[Tensor]:
    weights = [scores[t].exp() if mask[t] else torch.zeros_like(scores[t]) for t in range(len(scores))]
    total = sum(weights)
    return [weight / total for weight in weights] if mask.any() else weights


def score_entropy(scores: Tensor, mask: Tensor) -> Tensor:
    """`-Σ_t p_t log p_t / log m` for each row and group, 1 with fewer than two candidates."""
    rows = []
    for b in range(scores.shape[0]):
        for g in range(scores.shape[1]):
            entropy, count = torch.zeros((), dtype=scores.dtype), int(mask[b, g].sum())
            for t, probability in enumerate(_probabilities(scores[b, g], mask[b, g])):
                if mask[b, g, t]:
                    entropy = entropy - probability * probability.log()
            rows.append(entropy / math.log(count) if count > 1 else torch.ones((), dtype=scores.dtype))
    return torch.stack(rows).reshape(scores.shape[:2])


def score_load(scores: Tensor, mask: Tensor) -> Tensor:
    """Variance of the loads over the square of their mean, for each row; 0 without candidates."""
    rows = []
    for b in range(scores.shape[0]):
        by_group = [_probabilities(scores[b, g], mask[b, g]) for g in range(scores.shape[1])]
        loads = [sum(group[t] for group in by_group) for t in range(scores.shape[2]) if mask[b, 0, t]]
        if not loads:
            rows.append(torch.zeros((), dtype=scores.dtype))
            continue
        mean = sum(loads) / len(loads)
        rows.append(sum((load - mean) ** 2 for load in loads) / len(loads) / mean**2)
    return torch.stack(rows)
