"""Batch normalisation one feature and one token at a time, over the list of the real tokens."""

import torch
from torch import Tensor


def batch_norm(
    features: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, epsilon: float
) -> tuple[Tensor, list[tuple[float, float]], int]:
    """`(x - mean) / sqrt(variance + epsilon) w + b`, and of each feature the mean and the unbiased variance.

    Features are (b, n, d), the mask (b, n); padding gets the bias. The unbiased variance of one token or none is NaN.
    """
    batch, length, width = features.shape
    real = [(b, i) for b in range(batch) for i in range(length) if mask is None or bool(mask[b, i])]
    out = bias.expand(features.shape).clone()
    statistics = []
    for c in range(width):
        mean = sum(features[b, i, c] for b, i in real) / max(len(real), 1)
        squares = sum((features[b, i, c] - mean) ** 2 for b, i in real)
        for b, i in real:
            out[b, i, c] = (features[b, i, c] - mean) / torch.sqrt(squares / len(real) + epsilon) * weight[c] + bias[c]
        unbiased = squares.item() / (len(real) - 1) if len(real) > 1 else float("nan")
        statistics.append((mean.item() if real else 0.0, unbiased))
    return out, statistics, len(real)
