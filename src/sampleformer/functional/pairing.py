"""SFT's pairs: each chosen token mixed with one that was nearly chosen."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_LINEAR_FROM = -30.0


def mix_pairs(candidates: Float[Tensor, "*rows m c"], shares: Float[Tensor, "*rows r"]) -> Float[Tensor, "*rows k c"]:
    """Mixes i with k + i: ``out_i = (1 − share_i) x_i + share_i x_(k + i)``; what has no partner stays as it is.

    Args:
        candidates: x, what the k best tokens and the next ``r <= k`` carry; m = k + r.
        shares: of the next, from `pair_shares`.

    Returns:
        One mixture for each of the k best, differentiable in everything.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> mix_pairs(torch.tensor([[1.0], [0.0]]), torch.tensor([0.25]))
        tensor([[0.7500]])
    """
    return _mix_along(-2, candidates, shares[..., None])


def mix_columns(candidates: Float[Tensor, "*rows n m"], shares: Float[Tensor, "*rows r"]) -> Float[Tensor, "*rows n k"]:
    """`mix_pairs` of what lies side by side, such as numbers of every query and candidate.

    Example:
        >>> mix_columns(torch.tensor([[1.0, 0.0]]), torch.tensor([0.25]))
        tensor([[0.7500]])
    """
    return _mix_along(-1, candidates, shares[..., None, :])


def _mix_along(dim: int, candidates: Tensor, shares: Tensor) -> Tensor:
    rest = shares.shape[dim]
    alone = candidates.shape[dim] - 2 * rest
    # One split has one gradient; slices would each fill a tensor of their own.
    first, middle, last = candidates.split([rest, alone, rest], dim)
    mixed = torch.lerp(first, last, shares.to(first.dtype))
    return mixed if alone == 0 else torch.cat([mixed, middle], dim)


def pair_shares(
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
) -> Float[Tensor, "*rows r"]:
    """How much of a pair is the second one: ``softplus(rest_i) / (softplus(top_i) + softplus(rest_i))``.

    Args:
        top_scores: scores of the k best.
        rest_scores: scores of the next ``r <= k``.
        top_valid: False where a slot of top holds no token: its share is 0. None: all hold one.
        rest_valid: the same for rest.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> pair_shares(torch.tensor([0.0]), torch.tensor([0.0]))
        tensor([0.5000])
    """
    pairs = rest_scores.shape[-1]
    paired = top_scores[..., :pairs]
    invalid = None
    for valid in (None if top_valid is None else top_valid[..., :pairs], rest_valid):
        if valid is not None:
            invalid = ~valid if invalid is None else invalid | ~valid
    if invalid is not None:  # scores of what is no token may be infinite: no NaN may come of them
        paired, rest_scores = paired.masked_fill(invalid, 0), rest_scores.masked_fill(invalid, 0)
    # The softplus stay in logarithms, so that the share is right where both underflow.
    shares = torch.sigmoid(log_softplus(rest_scores) - log_softplus(paired))
    return shares if invalid is None else shares.masked_fill(invalid, 0)


def log_softplus(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``log(log(1 + exp(x)))``, which nears x far below zero, where softplus itself underflows.

    Example:
        >>> log_softplus(torch.tensor([0.0, -200.0]))
        tensor([  -0.3665, -200.0000])
    """
    linear = scores < _LINEAR_FROM
    return torch.where(linear, scores, F.softplus(scores.masked_fill(linear, 0)).log())
