"""Top-k made smooth: how much of each token is among the k best, by one threshold or by k softmaxes in turn."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.tracing import has_values

_HALVINGS = {torch.float32: 24, torch.float64: 40}  # float32 has no numbers between after so many
_STEPS = {torch.float32: 4, torch.float64: 6}  # from a threshold that is half a temperature off to one that is exact
_LOWEST_LOGARITHM = -1e4  # not infinite, whose gradients are not numbers


def relaxed_topk(
    scores: Float[Tensor, "*rows m"],
    k: int,
    temperature: Float[Tensor, "..."],
    valid: Bool[Tensor, "*rows m"] | None = None,
) -> Float[Tensor, "*rows m"]:
    """``p_i = sigmoid((s_i − θ) / T)`` with the threshold θ for which ``Σ_i p_i = k``.

    It is the point with sum k in the unit cube that maximises ``s·p + T·entropy(p)``, and nears the k best as T falls.
    The gradient is the exact one, the movement of θ included, so that a constant added to all scores changes nothing.

    Args:
        scores: s, float32 or wider.
        k: how many; where at most k are valid, all of these are taken whole.
        temperature: T > 0, broadcast against the rows.
        valid: False where there is no token, which has no part in it. None: all are tokens.

    Returns:
        Shares between 0 and 1, differentiable in scores and temperature.

    Source: Amos et al. 2019 (arXiv 1906.08707), section 3.

    Example:
        >>> relaxed_topk(torch.tensor([2.0, 0.0, -2.0, 0.0]), 2, torch.tensor(1.0)).sum().round(decimals=3)
        tensor(2.)
    """
    temperature = temperature[..., None].to(scores.dtype)
    shares: Tensor = _RelaxedTopK.apply(scores, temperature, k, valid)
    return shares


class _RelaxedTopK(torch.autograd.Function):
    """With ``v_i = p_i (1 − p_i) / T`` the gradient of s_i is ``v_i (g_i − Σ_j v_j g_j / Σ_j v_j)``, and that of T
    minus the sum of these times s_i / T."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, temperature: Tensor, k: int, valid: Tensor | None) -> Tensor:
        few, scores = _prepared(scores, k, valid)
        scores = scores / temperature
        shares = (scores - _threshold(scores, k, few)).sigmoid_()
        if valid is None:
            return shares.masked_fill_(few, 1)
        return torch.where(few, valid.to(shares.dtype), shares)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        scores, temperature, _, valid = inputs
        ctx.save_for_backward(scores, temperature, valid, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scores, temperature, valid, shares = ctx.saved_tensors
        slopes = torch.addcmul(shares, shares, shares, value=-1) / temperature
        weighted = slopes * gradient
        total = slopes.sum(-1, keepdim=True).clamp(min=torch.finfo(slopes.dtype).tiny)
        of_scores = torch.addcmul(weighted, slopes, weighted.sum(-1, keepdim=True) / total, value=-1)
        of_temperature = None
        if ctx.needs_input_grad[1]:
            scores = scores if valid is None else scores.masked_fill(~valid, 0)
            of_temperature = -(of_scores * scores / temperature).sum_to_size(temperature.shape)
        return of_scores, of_temperature, None, None


def topk_threshold(
    scores: Float[Tensor, "*rows m"], k: int, valid: Bool[Tensor, "*rows m"] | None = None
) -> Float[Tensor, "*rows 1"]:
    """θ for which ``Σ_i sigmoid(s_i − θ) = k`` over the valid ones, without a gradient; zero where at most k are valid.

    Args: as for `relaxed_topk`.

    Example:
        >>> topk_threshold(torch.tensor([3.0, 1.0]), 1).round(decimals=3)
        tensor([2.])
    """
    few, scores = _prepared(scores.detach(), k, valid)
    return _threshold(scores, k, few).masked_fill(few, 0)


def _prepared(scores: Tensor, k: int, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where at most k are valid, and the scores, minus infinity where there is no token."""
    if valid is None:
        return torch.ones_like(scores, dtype=torch.bool).sum(-1, keepdim=True) <= k, scores
    return valid.sum(-1, keepdim=True) <= k, scores.masked_fill(~valid, -torch.inf)


def _threshold(scores: Tensor, k: int, few: Tensor) -> Tensor:
    """θ of scores that have been divided by T; anything in rows that are few.

    The interval that holds it is halved until it is shorter than one. Then Newton's method squares what is left of the
    distance in each step: ``|f''| ≤ |f'|`` for ``f(θ) = Σ_i sigmoid(s_i − θ)``.
    """
    if scores.shape[-1] == 0:
        return few.to(scores.dtype)
    real = scores > -torch.inf
    # All shares are k / count where the threshold is this far below a score that all had.
    below = torch.logit((k / real.sum(-1, keepdim=True).clamp(min=1)).to(scores.dtype).masked_fill(few, 0.5))
    high = scores.amax(-1, keepdim=True)
    low = torch.where(real, scores, high).amin(-1, keepdim=True)
    width, middle = (high - low).masked_fill(few, 0), (low - below).masked_fill(few, 0)
    halvings = _HALVINGS[scores.dtype]
    if has_values(width) and width.numel():
        halvings = min(halvings, max(0, math.frexp(float(width.amax()))[1]))
    for _ in range(halvings):
        width = width / 2
        further = middle + width
        middle = torch.where((scores - further).sigmoid_().sum(-1, keepdim=True) > k, further, middle)
    middle = middle + width / 2
    for _ in range(_STEPS[scores.dtype]):
        shares = (scores - middle).sigmoid_()
        total = shares.sum(-1, keepdim=True)
        slope = total - shares.square().sum(-1, keepdim=True)
        # No step is as long as one, but where rounding is all that is left of the slope.
        middle = middle + ((total - k) / slope.clamp(min=torch.finfo(scores.dtype).tiny)).clamp(-1, 1)
    return middle


def relaxed_subset(
    scores: Float[Tensor, "*rows m"],
    k: int,
    temperature: Float[Tensor, "..."],
    valid: Bool[Tensor, "*rows m"] | None = None,
) -> Float[Tensor, "*rows m"]:
    """``z = Σ_j a^j`` with ``a^j = softmax(α^j / T)``, ``α^1 = s`` and ``α^(j+1) = α^j + log(1 − a^j)``, j = 1 … k.

    With Gumbel noise in the scores it is a relaxed sample of k without replacement. Time and memory are O(k·m) in
    training.

    Args:
        scores: s with noise, float32 or wider.
        k: how many; where at most k are valid, all of these are taken whole.
        temperature: T > 0, broadcast against the rows.
        valid: False where there is no token. None: all are tokens.

    Returns:
        Shares of sum k (or of the number of tokens, if that is less). One may be more than 1: unless T is small, a
        token far above the others is not all taken by the first softmax.

    Source: Xie and Ermon 2019 (arXiv 1901.10517), section 3.

    Example:
        >>> relaxed_subset(torch.tensor([9.0, 8.0, -9.0]), 2, torch.tensor(0.1)).round(decimals=3)
        tensor([1., 1., 0.])
    """
    temperature = temperature[..., None].to(scores.dtype)
    valid = torch.ones_like(scores, dtype=torch.bool) if valid is None else valid
    few = valid.sum(-1, keepdim=True) <= k
    # Divided first: the lowest number over a small T would be infinite, and its gradient none.
    logits = scores.masked_fill(~valid, 0) / temperature
    logits = logits.masked_fill(~valid, torch.finfo(scores.dtype).min / 4)
    result = torch.zeros_like(scores)
    for _ in range(min(k, scores.shape[-1])):
        shares = torch.log_softmax(logits, -1)
        result = result + shares.exp()
        logits = logits + _log_of_the_rest(shares) / temperature
    return torch.where(few, torch.ones_like(result), result) * valid


def _log_of_the_rest(logs: Tensor) -> Tensor:
    """``log(1 − a)`` from log a, right also for an a that is one but for rounding: it is the sum of all others."""
    largest = logs.argmax(-1, keepdim=True)
    others = logs.scatter(-1, largest, _LOWEST_LOGARITHM).logsumexp(-1, keepdim=True)
    return torch.log1p(-logs.exp().scatter(-1, largest, 0)).scatter(-1, largest, others)
