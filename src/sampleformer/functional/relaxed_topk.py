"""Top-k made smooth: how much of each token is among the k best, by one threshold or by k softmaxes in turn."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_HALVINGS = {torch.float32: 24, torch.float64: 40}  # float32 has no numbers between after so many
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
    weights = torch.ones_like(scores) if valid is None else valid.to(scores.dtype)
    scores = scores if valid is None else scores.masked_fill(~valid, 0)
    few = weights.sum(-1, keepdim=True) <= k
    found = _threshold(scores.detach(), weights, k, temperature.detach())
    # One step of Newton's method from the solution: its value stays, and it has the gradient of the solution.
    shares = torch.sigmoid((scores - found) / temperature) * weights
    slope = (shares * (1 - shares) / temperature).sum(-1, keepdim=True).detach()
    step = (shares.sum(-1, keepdim=True) - k) / slope.clamp(min=torch.finfo(scores.dtype).tiny)
    shares = torch.sigmoid((scores - found - step.masked_fill(few, 0)) / temperature)
    return torch.where(few, torch.ones_like(shares), shares) * weights


def topk_threshold(
    scores: Float[Tensor, "*rows m"], k: int, valid: Bool[Tensor, "*rows m"] | None = None
) -> Float[Tensor, "*rows 1"]:
    """θ for which ``Σ_i sigmoid(s_i − θ) = k`` over the valid ones, without a gradient; zero where at most k are valid.

    Args: as for `relaxed_topk`.

    Example:
        >>> topk_threshold(torch.tensor([3.0, 1.0]), 1).round(decimals=3)
        tensor([2.])
    """
    weights = torch.ones_like(scores) if valid is None else valid.to(scores.dtype)
    scores = (scores if valid is None else scores.masked_fill(~valid, 0)).detach()
    return _threshold(scores, weights, k, scores.new_ones(()))


def _threshold(scores: Tensor, weights: Tensor, k: int, temperature: Tensor) -> Tensor:
    count = weights.sum(-1, keepdim=True)
    if scores.shape[-1] == 0:
        return count
    few = count <= k
    # All shares are k / count where the threshold is this far below a score that all had.
    below = temperature * torch.logit((k / count.clamp(min=1)).masked_fill(few, 0.5))
    padding = weights == 0
    low = scores.masked_fill(padding, torch.inf).amin(-1, keepdim=True).masked_fill(few, 0) - below
    high = scores.masked_fill(padding, -torch.inf).amax(-1, keepdim=True).masked_fill(few, 0) - below
    # Of a width that is halved, so that there is one end to move.
    scores, low, width = scores / temperature, low / temperature, (high - low) / temperature
    for _ in range(_HALVINGS[scores.dtype]):
        width = width / 2
        middle = low + width
        too_many = (torch.sigmoid(scores - middle) * weights).sum(-1, keepdim=True) > k
        low = torch.where(too_many, middle, low)
    return (low + width / 2) * temperature


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
