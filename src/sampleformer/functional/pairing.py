"""SFT's pairs: each chosen token mixed with one that was nearly chosen."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_LINEAR_FROM = -30.0


def mix_pairs(
    top: Float[Tensor, "*rows k c"], rest: Float[Tensor, "*rows r c"], shares: Float[Tensor, "*rows r"]
) -> Float[Tensor, "*rows k c"]:
    """Mixes top i with rest i: ``out_i = (1 − share_i) top_i + share_i rest_i``; without rest, top stays as it is.

    Args:
        top: what the k best tokens carry.
        rest: what the next ``r <= k`` carry.
        shares: of rest, from `pair_shares`.

    Returns:
        One mixture for each of the k best, differentiable in everything.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> mix_pairs(one, zero, torch.tensor([0.25]))
        tensor([[0.7500]])
    """
    pairs = rest.shape[-2]
    mixed = torch.lerp(top[..., :pairs, :], rest, shares.to(top.dtype)[..., None])
    return mixed if pairs == top.shape[-2] else torch.cat([mixed, top[..., pairs:, :]], dim=-2)


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
