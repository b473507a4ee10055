"""Nyström attention, one sample and one head at a time, from the publication's formulas."""

import math

import torch
from torch import Tensor, nn

from tests.naive.attention import keys_and_values, linear, real_tokens

VARIATIONS: dict[str, dict[str, object]] = {
    "three-landmarks": {"landmarks": 3},
    "five-landmarks": {"landmarks": 5, "iterations": 3, "bias": False},
}


def nystrom(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: None = None,
) -> Tensor:
    """Every real token attends to every real token of the context through landmarks; padding is left out at once."""
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    e, rows = module.width // module.heads, []
    for b in range(len(x)):
        real, seen = real_tokens(mask, b, x.shape[1]), real_tokens(context_mask, b, context.shape[1])
        out = [torch.zeros_like(x[0, 0]) for _ in range(x.shape[1])]
        if real and seen:
            query, heads = linear(module.query, module.norm(x[b, real])), []
            for h in range(module.heads):
                key, value = keys_and_values(module, context[b, seen], h)
                heads.append(_attend(module.mixing, query[:, h * e : (h + 1) * e], key, value))
            for i, mixed in zip(real, torch.cat(heads, dim=1), strict=True):
                out[i] = linear(module.output, mixed)
        rows.append(torch.stack(out))
    return torch.stack(rows)


def _attend(mixing: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    landmarks = [_means(vectors, mixing.landmarks) for vectors in (query, key)]
    inverse = _inverse(_softmax(landmarks[0], landmarks[1]), mixing.iterations)
    return _softmax(query, landmarks[1]) @ inverse @ _softmax(landmarks[0], key) @ value


def _means(vectors: Tensor, landmarks: int) -> Tensor:
    """Means of m runs of tokens, fewer if there are fewer tokens: token r of n is in run r m / n, rounded down."""
    number = min(landmarks, len(vectors))
    runs: list[list[Tensor]] = [[] for _ in range(number)]
    for place, vector in enumerate(vectors):
        runs[place * number // len(vectors)].append(vector)
    return torch.stack([sum(run) / len(run) for run in runs])


def _softmax(query: Tensor, key: Tensor) -> Tensor:
    gained = torch.exp(query @ key.T / math.sqrt(query.shape[1]))
    return gained / gained.sum(1, keepdim=True)


def _inverse(a: Tensor, iterations: int) -> Tensor:
    """Equation 11: Z ← Z (13 I − A Z (15 I − A Z (7 I − A Z))) / 4 from Aᵀ / (‖A‖₁ ‖A‖∞)."""
    z, one = a.T / (a.abs().sum(0).max() * a.abs().sum(1).max()), torch.eye(len(a), dtype=a.dtype)
    for _ in range(iterations):
        z = z @ (13 * one - a @ z @ (15 * one - a @ z @ (7 * one - a @ z))) / 4
    return z
