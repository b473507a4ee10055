"""SFT's pairs: each chosen token mixed with one that was nearly chosen."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_LINEAR_FROM = -30.0


def mix_pairs(
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
) -> Float[Tensor, "*rows k c"]:
    """Mixes top i with rest i, weighted by their scores.

    ``out_i = (softplus(top_scores_i) top_i + softplus(rest_scores_i) rest_i) / (softplus(top_scores_i) +
    softplus(rest_scores_i))``. Where rest is invalid or missing (``i >= r``), or top is invalid, top stays as it is.

    Args:
        top: what the k best tokens carry.
        rest: what the next ``r <= k`` carry.
        top_scores: scores of the k best.
        rest_scores: scores of the next.
        top_valid: False where a slot of top holds no token. None: all hold one.
        rest_valid: the same for rest.

    Returns:
        One mixture for each of the k best, differentiable in everything.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> mix_pairs(one, zero, torch.tensor([0.0]), torch.tensor([0.0]))
        tensor([[0.5000]])
    """
    pairs = rest.shape[-2]
    paired = top_scores[..., :pairs]
    invalid = None
    for valid in (None if top_valid is None else top_valid[..., :pairs], rest_valid):
        if valid is not None:
            invalid = ~valid if invalid is None else invalid | ~valid
    if invalid is not None:  # scores of what is no token may be infinite: no NaN may come of them
        paired, rest_scores = paired.masked_fill(invalid, 0), rest_scores.masked_fill(invalid, 0)
        rest = rest.masked_fill(invalid[..., None], 0)
    # The share of rest, softplus(b) / (softplus(a) + softplus(b)), which stays right where both softplus underflow.
    share = torch.sigmoid(log_softplus(rest_scores) - log_softplus(paired))
    if invalid is not None:
        share = share.masked_fill(invalid, 0)
    share = share.to(top.dtype)[..., None]
    mixed = top[..., :pairs, :]
    mixed = mixed * (1 - share) + rest * share
    return mixed if pairs == top.shape[-2] else torch.cat([mixed, top[..., pairs:, :]], dim=-2)


def log_softplus(scores: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``log(log(1 + exp(x)))``, which nears x far below zero, where softplus itself underflows.

    Example:
        >>> log_softplus(torch.tensor([0.0, -200.0]))
        tensor([  -0.3665, -200.0000])
    """
    linear = scores < _LINEAR_FROM
    return torch.where(linear, scores, F.softplus(scores.masked_fill(linear, 0)).log())
