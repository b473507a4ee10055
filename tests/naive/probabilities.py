"""Weights of one query at a time, over lists of its valid slots; slots that are not valid are never looked at."""

from collections.abc import Callable

import torch
from torch import Tensor


def _of_rows(
    weigh: Callable[[list[Tensor], list[Tensor]], list[Tensor]],
    logits: Tensor,
    leak: Tensor | None,
    valid: Tensor | None,
) -> Tensor:
    batch, heads, n, k = logits.shape
    weights = torch.zeros_like(logits)
    for b in range(batch):
        for h in range(heads):
            group = 0 if valid is None or valid.shape[1] == 1 else h
            slots = [j for j in range(k) if valid is None or bool(valid[b, group, j])]
            leaks = [] if leak is None else [leak[b, h, j] for j in slots]
            for i in range(n):
                row = weigh([logits[b, h, i, j] for j in slots], leaks)
                for j, weight in zip(slots, row, strict=True):
                    weights[b, h, i, j] = weight
    return weights


def softmax(logits: Tensor, leak: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
    """`exp a_j / Σ_j exp a_j`."""

    def weigh(row: list[Tensor], leaks: list[Tensor]) -> list[Tensor]:
        total = sum(torch.exp(a) for a in row)
        return [torch.exp(a) / total for a in row]

    return _of_rows(weigh, logits, None, valid)


def leaky_relu(logits: Tensor, leak: Tensor, valid: Tensor | None = None) -> Tensor:
    """`relu(a_j) / (Σ_j relu(a_j) + Σ_j log(1 + exp c_j))`."""

    def weigh(row: list[Tensor], leaks: list[Tensor]) -> list[Tensor]:
        positive = [a if a > 0 else 0 * a for a in row]
        total = sum(positive) + sum(torch.log1p(torch.exp(c)) for c in leaks)
        return [a / total for a in positive]

    return _of_rows(weigh, logits, leak, valid)


def leaky_softmax(logits: Tensor, leak: Tensor, valid: Tensor | None = None) -> Tensor:
    """`exp a_j / (Σ_j exp a_j + Σ_j exp c_j)`."""

    def weigh(row: list[Tensor], leaks: list[Tensor]) -> list[Tensor]:
        total = sum(torch.exp(a) for a in row) + sum(torch.exp(c) for c in leaks)
        return [torch.exp(a) / total for a in row]

    return _of_rows(weigh, logits, leak, valid)


TWINS = {"softmax": softmax, "leaky_relu": leaky_relu, "leaky_softmax": leaky_softmax}
