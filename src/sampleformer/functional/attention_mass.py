"""How much of the attention each token gets, and how far scores are from saying it."""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def spread_places(
    batch: int, length: int, count: int, mask: Bool[Tensor, "b n"] | None, device: torch.device
) -> tuple[Int64[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """Places of at most `count` real tokens of each set, spread evenly over them, and whether each is one.

    The j-th of m is the ``⌊(j + ½) c / m⌋``-th of c real tokens; all of them where ``c ≤ m``.

    Args:
        batch: Number of sets.
        length: n, tokens of each set.
        count: Most places of each set.
        mask: True where a token is real. None: all are.
        device: Device of the result.

    Example:
        >>> spread_places(1, 6, 2, torch.tensor([[True, False, True, True, False, True]]), torch.device("cpu"))
        (tensor([[2, 5]]), tensor([[True, True]]))
    """
    most = min(count, length)
    number = torch.arange(most, device=device).expand(batch, most)
    if mask is None:
        return ((2 * number + 1) * length).div(2 * max(most, 1), rounding_mode="floor"), torch.ones_like(number) > 0
    real = mask.sum(1, keepdim=True)
    spread = ((2 * number + 1) * real).div(2 * max(most, 1), rounding_mode="floor")
    rank = torch.where(real > most, spread, number)
    order = mask.logical_not().to(torch.int8).argsort(dim=1, stable=True)  # the real tokens first
    return order.gather(1, rank), number < real


def attention_mass(
    query: Float[Tensor, "b h m e"],
    key: Float[Tensor, "b h n e"],
    asked: Bool[Tensor, "b m"] | None = None,
    mask: Bool[Tensor, "b n"] | None = None,
) -> Float[Tensor, "b h n"]:
    """``p_j = 1/m Σ_i softmax_j(q_i·k_j / √e)``: the mean over some queries of what they give to each key.

    Args:
        query: Queries of each head.
        key: Keys of each head.
        asked: False where a query counts for nothing. None: all count.
        mask: False where a key is padding. None: none is.

    Returns:
        float32 or wider; sums to 1 over the keys. Zeros where no query counts or no key is real.

    Example:
        >>> attention_mass(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 4, 4))
        tensor([[[0.2500, 0.2500, 0.2500, 0.2500]]])
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    logits = query.to(wide) @ key.to(wide).mT / math.sqrt(query.shape[-1])
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None, None], torch.finfo(wide).min)
    shares = logits.softmax(-1)
    if mask is not None:
        shares = shares * mask[:, None, None]
    counts = shares.new_ones(shares.shape[0], shares.shape[2]) if asked is None else asked.to(wide)
    total = torch.einsum("bhmn,bm->bhn", shares, counts)
    return total / counts.sum(1).clamp(min=1)[:, None, None]


def mass_divergence(
    scores: Float[Tensor, "b g n"], mass: Float[Tensor, "b g n"], mask: Bool[Tensor, "b g n"] | None = None
) -> Float[Tensor, "b g"]:
    """``KL(p ‖ softmax(s)) = Σ_t p_t (log p_t − log softmax(s)_t)`` of the mass p that tokens get and their scores s.

    Args:
        scores: Scores of all candidates, without noise.
        mass: What each gets, which sums to 1.
        mask: True where there is a candidate. None: everywhere.

    Returns:
        At least 0, and 0 where the softmax of the scores is the mass, or where there is none.

    Source: DeepSeek-AI 2025, DeepSeek-V3.2 (arXiv 2512.02556), section 2.1: the training of its indexer.

    Example:
        >>> mass_divergence(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.0]]]))
        tensor([[0.6931]])
    """
    if mask is None:
        logs = scores.log_softmax(-1)
    else:  # a finite lowest value: a softmax over minus infinities alone would be NaN
        logs = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).log_softmax(-1).masked_fill(~mask, 0)
    mass = mass.to(scores.dtype)
    return (torch.xlogy(mass, mass) - mass * logs).sum(-1)
