"""The attention that tokens get and its divergence from scores, one number at a time in float64."""

import math

import torch
from torch import Tensor


def attention_mass(query: Tensor, key: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
    """The mean over the queries that count of softmax over the real keys, ``(b, h, n)``."""
    batch, heads, length = key.shape[:3]
    found = torch.zeros(batch, heads, length, dtype=torch.float64)
    for b in range(batch):
        counting = [i for i in range(query.shape[2]) if asked[b, i]]
        real = [j for j in range(length) if mask[b, j]]
        for h in range(heads):
            for i in counting:
                weights = [math.exp(float(query[b, h, i] @ key[b, h, j]) / math.sqrt(query.shape[-1])) for j in real]
                for j, weight in zip(real, weights, strict=True):
                    found[b, h, j] += weight / sum(weights) / len(counting)
    return found


def mass_divergence(scores: Tensor, mass: Tensor, mask: Tensor) -> Tensor:
    """``Σ p log (p / q)`` with q the softmax of the real scores, ``(b, g)``."""
    rows = []
    for b in range(scores.shape[0]):
        for g in range(scores.shape[1]):
            real = [t for t in range(scores.shape[2]) if mask[b, g, t]]
            total = sum((scores[b, g, t].exp() for t in real), torch.zeros((), dtype=scores.dtype))
            value = torch.zeros((), dtype=scores.dtype)
            for t in real:
                p = mass[b, g, t]
                if p > 0:
                    value = value + p * (p / (scores[b, g, t].exp() / total)).log()
            rows.append(value)
    return torch.stack(rows).reshape(scores.shape[:2])
