"""How far the scores of tokens have collapsed: onto few tokens, and all heads onto the same ones."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def score_entropy(scores: Float[Tensor, "b g n"], mask: Bool[Tensor, "b g n"] | None = None) -> Float[Tensor, "b g"]:
    """The entropy of softmax(scores) as a share of the largest possible: ``H = -Σ_t p_t log p_t / log m``.

    p is the softmax over the m candidates that are not masked. 1: all are as likely to be chosen; 0: one alone is, and
    the scores of the others hardly learn any more. With fewer than two candidates there is nothing to choose: 1.

    Args:
        scores: of all candidates, without noise.
        mask: True where there is a candidate. None: everywhere.

    Source: Grandvalet and Bengio 2004, "Semi-supervised Learning by Entropy Minimization", section 2, whose regulariser
    this is with the other sign.

    Example:
        >>> score_entropy(torch.tensor([[[0.0, 0.0, 0.0], [0.0, 90.0, 0.0]]])).round(decimals=4)
        tensor([[1., 0.]])
    """
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    logs = _log_softmax(scores, mask)
    count = mask.sum(-1)
    entropy = -(logs.exp() * logs).masked_fill(~mask, 0).sum(-1) / count.clamp(min=2).to(scores.dtype).log()
    return torch.where(count > 1, entropy, 1)


def score_load(scores: Float[Tensor, "b g n"], mask: Bool[Tensor, "b g n"] | None = None) -> Float[Tensor, " b"]:
    """How unevenly the groups of heads share out their attention: the squared coefficient of variation of the loads.

    The load of a token is what all groups together would choose of it, ``L_t = Σ_g softmax(scores_g)_t`` over the m
    candidates that are not masked, and ``CV² = var(L) / mean(L)² = m Σ_t L_t² / (Σ_t L_t)² - 1``. 0: every token has
    the same load; m - 1: one token has all of it.

    Args:
        scores: of all candidates, without noise.
        mask: True where there is a candidate, for all groups alike. None: everywhere.

    Source: Shazeer et al. 2017 (arXiv 1701.06538), section 4, where the experts have the place of the tokens, and the
    examples of a batch that of the groups.

    Example:
        >>> score_load(torch.tensor([[[90.0, 0.0], [0.0, 90.0]], [[90.0, 0.0], [90.0, 0.0]]]))
        tensor([0., 1.])
    """
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    load = _log_softmax(scores, mask).exp().masked_fill(~mask, 0).sum(1)
    total = load.sum(-1)
    count = mask[:, 0].sum(-1).to(scores.dtype)
    variation = count * load.square().sum(-1) / total.square().clamp(min=torch.finfo(scores.dtype).tiny) - 1
    return torch.where(count > 0, variation, 0)


def _log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    # A finite lowest value: a softmax over minus infinities alone would be NaN.
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).log_softmax(-1)
