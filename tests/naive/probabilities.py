"""Weights of one query at a time, over lists of its valid slots; slots that are not valid are never looked at.

A slot that counts z times has its numerator and its leak multiplied by z. The derivative for a z that is zero is by
definition the difference that the whole slot makes.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def _of_rows(
    weigh: Callable[[list[Tensor], list[Tensor], list[Tensor]], list[Tensor]],
    logits: Tensor,
    leak: Tensor | None,
    valid: Tensor | None,
    presence: Tensor | None,
) -> Tensor:
    batch, heads, n, k = logits.shape
    weights = torch.zeros_like(logits)
    for b in range(batch):
        for h in range(heads):
            group = 0 if valid is None or valid.shape[1] == 1 else h
            slots = [j for j in range(k) if valid is None or bool(valid[b, group, j])]
            leaks = [] if leak is None else [leak[b, h, j] for j in slots]
            one = torch.ones((), dtype=logits.dtype)
            counts = [one if presence is None else presence[b, h if presence.shape[1] > 1 else 0, j] for j in slots]
            for i in range(n):
                row = _with_absent(weigh, [logits[b, h, i, j] for j in slots], leaks, counts)
                for j, weight in zip(slots, row, strict=True):
                    weights[b, h, i, j] = weight
    return weights


def _with_absent(
    weigh: Callable[[list[Tensor], list[Tensor], list[Tensor]], list[Tensor]],
    row: list[Tensor],
    leaks: list[Tensor],
    counts: list[Tensor],
) -> list[Tensor]:
    absent = [j for j, count in enumerate(counts) if count == 0]
    known = [count.detach() if j in absent else count for j, count in enumerate(counts)]
    weights = weigh(row, leaks, known)
    result = weights
    for j in absent:
        there = weigh(row, leaks, [torch.ones_like(count) if i == j else count for i, count in enumerate(known)])
        result = [
            one + counts[j] * (other - before).detach()
            for one, other, before in zip(result, there, weights, strict=True)
        ]
    return result


def softmax(
    logits: Tensor, leak: Tensor | None = None, valid: Tensor | None = None, presence: Tensor | None = None
) -> Tensor:
    """`z_j exp a_j / Σ_j z_j exp a_j`."""

    def weigh(row: list[Tensor], leaks: list[Tensor], counts: list[Tensor]) -> list[Tensor]:
        numerators = [z * torch.exp(a) for a, z in zip(row, counts, strict=True)]
        return [each / sum(numerators) for each in numerators]

    return _of_rows(weigh, logits, None, valid, presence)


def leaky_relu(logits: Tensor, leak: Tensor, valid: Tensor | None = None, presence: Tensor | None = None) -> Tensor:
    """`z_j relu(a_j) / (Σ_j z_j relu(a_j) + Σ_j z_j log(1 + exp c_j))`."""

    def weigh(row: list[Tensor], leaks: list[Tensor], counts: list[Tensor]) -> list[Tensor]:
        numerators = [z * (a if a > 0 else 0 * a) for a, z in zip(row, counts, strict=True)]
        total = sum(numerators) + sum(z * torch.log1p(torch.exp(c)) for c, z in zip(leaks, counts, strict=True))
        return [each / total for each in numerators]

    return _of_rows(weigh, logits, leak, valid, presence)


def leaky_softmax(logits: Tensor, leak: Tensor, valid: Tensor | None = None, presence: Tensor | None = None) -> Tensor:
    """`z_j exp a_j / (Σ_j z_j exp a_j + Σ_j z_j exp c_j)`."""

    def weigh(row: list[Tensor], leaks: list[Tensor], counts: list[Tensor]) -> list[Tensor]:
        numerators = [z * torch.exp(a) for a, z in zip(row, counts, strict=True)]
        total = sum(numerators) + sum(z * torch.exp(c) for c, z in zip(leaks, counts, strict=True))
        return [each / total for each in numerators]

    return _of_rows(weigh, logits, leak, valid, presence)


TWINS = {"softmax": softmax, "leaky_relu": leaky_relu, "leaky_softmax": leaky_softmax}
