"""Gumbel top-k and the choices, one number at a time in float64.

The formulas: `s_top,i` and `s_rest,j` are the scores of the chosen tokens and of the next best, `T` the temperature,
`p_ij = sigmoid((s_top,i - s_rest,j) / T)`, and 1 where either is invalid. Missing slots of rest are invalid ones.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def gumbel_topk(
    scores: Sequence[float],
    k: int,
    noise: Sequence[float] | None = None,
    mask: Sequence[bool] | None = None,
) -> tuple[list[int], list[bool]]:
    """Indices of the k best of one row, best first, real before masked, ties to the lower index; and which are real."""
    n = len(scores)
    noise = [0.0] * n if noise is None else noise
    mask = [True] * n if mask is None else mask
    real = sorted((-(scores[i] + noise[i]), i) for i in range(n) if mask[i])
    masked = [i for i in range(n) if not mask[i]]
    order = [(i, True) for _, i in real] + [(i, False) for i in masked]
    return [i for i, _ in order[:k]], [valid for _, valid in order[:k]]


def inclusion_probabilities(scores: Sequence[float], k: int) -> list[float]:
    """Exact probability that each token is among the k of Gumbel top-k: all orders of k tokens, added up.

    The order `i_1, …, i_k` comes up with probability `prod_t w_{i_t} / (W - w_{i_1} - … - w_{i_{t-1}})`, `w = exp(s)`.
    """
    weights = [math.exp(score) for score in scores]
    inclusion = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), k):
        probability, left = 1.0, sum(weights)
        for index in order:
            probability *= weights[index] / left
            left -= weights[index]
        for index in order:
            inclusion[index] += probability
    return inclusion


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x)) if x >= 0 else torch.exp(x) / (1 + torch.exp(x))


def _is_valid(valid: Tensor | None, slot: int) -> bool:
    return valid is None or bool(valid[slot])


def _choose_soft_row(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> Tensor:
    k = len(top)
    rows = []
    for i in range(k):
        mean_win, mean_loss = torch.zeros_like(top[i, 0]), torch.zeros_like(top[i])
        for j in range(k):  # rest padded to k slots: a slot that does not exist is an invalid one
            if j >= len(rest) or not _is_valid(rest_valid, j) or not _is_valid(top_valid, i):
                mean_win = mean_win + 1 / k
                continue
            win = _sigmoid((top_scores[i] - rest_scores[j]) / temperature)
            mean_win = mean_win + win / k
            mean_loss = mean_loss + (1 - win) * rest[j] / k
        rows.append(mean_win * top[i] + mean_loss)
    return torch.stack(rows)


def _choose_hard_row(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> Tensor:
    """Value `top`; a term that is zero carries the surrogate gradients, which are linear in what they belong to."""
    k = len(top)
    scale = max(float(temperature.detach()), 1.0)
    rows = []
    for i in range(k):
        row = top[i]
        for j in range(len(rest)):
            if not _is_valid(rest_valid, j) or not _is_valid(top_valid, i):
                continue
            gap = (top_scores[i] - rest_scores[j]).detach()
            win = _sigmoid(gap / temperature.detach())
            slope = win * (1 - win)
            by_temperature = slope * -gap / temperature.detach() ** 2
            difference = (top[i] - rest[j]).detach() / k
            moving = slope / scale * (top_scores[i] - rest_scores[j]) + by_temperature * temperature
            row = row + (moving - moving.detach()) * difference
        rows.append(row)
    return torch.stack(rows)


def _over_rows(row_function, top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid) -> Tensor:
    lead = top.shape[:-2]
    temperature = torch.as_tensor(temperature, dtype=top.dtype).expand(lead)
    rows = [
        row_function(
            top[at],
            rest[at],
            top_scores[at],
            rest_scores[at],
            temperature[at],
            None if top_valid is None else top_valid[at],
            None if rest_valid is None else rest_valid[at],
        )
        for at in itertools.product(*map(range, lead))
    ]
    return torch.stack(rows).reshape(top.shape)


def choose_soft(top, rest, top_scores, rest_scores, temperature, top_valid=None, rest_valid=None) -> Tensor:
    """`out_i = mean_j(p_ij) top_i + mean_j((1 - p_ij) rest_j)`; ordinary autograd goes through the loops."""
    return _over_rows(_choose_soft_row, top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid)


def choose_hard(top, rest, top_scores, rest_scores, temperature, top_valid=None, rest_valid=None) -> Tensor:
    """`out_i = top_i`, with the surrogate gradients of `hard_gradients`."""
    return _over_rows(_choose_hard_row, top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid)


def hard_gradients(
    upstream: Tensor,
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: float,
    top_valid: Tensor | None = None,
    rest_valid: Tensor | None = None,
) -> dict[str, Tensor]:
    """The surrogate gradients of the hard choice for one row, from the upstream gradient g, as plain sums.

    `dL/dtop_i = g_i`; `dL/ds_top,i = sum_j p'_ij <g_i, top_i - rest_j> / k` with `p' = p (1 - p) / max(T, 1)`;
    `dL/ds_rest,j` the same with the other sign, summed over i; rest gets none;
    `dL/dT` is the soft form's: `sum_ij p_ij (1 - p_ij) (s_rest,j - s_top,i) / T² <g_i, top_i - rest_j> / k`.
    """
    k, width = top.shape
    gradients = {
        "top": upstream.clone(),
        "rest": torch.zeros_like(rest),
        "top_scores": torch.zeros_like(top_scores),
        "rest_scores": torch.zeros_like(rest_scores),
        "temperature": torch.zeros((), dtype=top.dtype),
    }
    for i, j in itertools.product(range(k), range(len(rest))):
        if not _is_valid(top_valid, i) or not _is_valid(rest_valid, j):
            continue
        gap = float(top_scores[i] - rest_scores[j])
        win = 1 / (1 + math.exp(-gap / temperature))
        inner = sum(float(upstream[i, c] * (top[i, c] - rest[j, c])) for c in range(width)) / k
        slope = win * (1 - win) / max(temperature, 1.0)
        gradients["top_scores"][i] += slope * inner
        gradients["rest_scores"][j] -= slope * inner
        gradients["temperature"] += win * (1 - win) * -gap / temperature**2 * inner
    return gradients
