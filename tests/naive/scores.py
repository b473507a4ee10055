"""Scores of queries and keys, one pair and one channel at a time."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def _of_pairs(score: Callable[[Tensor, Tensor], Tensor], query: Tensor, key: Tensor) -> Tensor:
    batch, heads, n, _ = query.shape
    k = key.shape[2]
    scores = query.new_zeros(batch, heads, n, k)
    for b in range(batch):
        for h in range(heads):
            for i in range(n):
                for j in range(k):
                    scores[b, h, i, j] = score(query[b, h, i], key[b, h, j])
    return scores


def scaled_dot(query: Tensor, key: Tensor) -> Tensor:
    """`Σ_c q_c k_c / √e`."""

    def score(q: Tensor, k: Tensor) -> Tensor:
        return sum(q[c] * k[c] for c in range(len(q))) / math.sqrt(len(q))

    return _of_pairs(score, query, key)


def maxout(query: Tensor, key: Tensor) -> Tensor:
    """`Σ_c (max(q_c, k_c) - 1/√π) / √(1 - 1/π) / √e`; torch's maximum halves the gradient of equal numbers."""

    def score(q: Tensor, k: Tensor) -> Tensor:
        total = torch.zeros_like(q[0])
        for c in range(len(q)):
            total = total + (torch.maximum(q[c], k[c]) - 1 / math.sqrt(math.pi)) / math.sqrt(1 - 1 / math.pi)
        return total / math.sqrt(len(q))

    return _of_pairs(score, query, key)


TWINS = {"scaled_dot": scaled_dot, "maxout": maxout}
