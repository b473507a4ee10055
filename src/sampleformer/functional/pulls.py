"""How strongly pairs of chosen and nearly chosen tokens pull at each other's scores."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# Pairs that are worked on at once: 1 MiB of float32.
PAIRS_PER_BLOCK = 2**18


def pulls(
    gradient: Float[Tensor, "*rows k c"],
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
) -> tuple[Float[Tensor, "*rows k"], Float[Tensor, "*rows r"]]:
    """``pull_ij = p_ij (1 - p_ij) <g_i, top_i - rest_j>``, summed over the valid j and over the valid i.

    ``p_ij = sigmoid(top_scores_i - rest_scores_j)``. The pairs of a few rows at a time stay in the cache, and validity
    enters the sums as weights, so that of the k r pairs of a row none is masked: six passes in all.

    Args:
        gradient: g, of what was chosen.
        top: what the k best tokens carry.
        rest: what the next r carry.
        top_scores: scores of the k best, over the temperature; finite, also where they are invalid.
        rest_scores: the same of the next.
        top_valid: False where a slot of top holds no token; it then pulls at nothing. None: all hold one.
        rest_valid: the same for rest.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> pulls(one, one, zero, torch.tensor([0.0]), torch.tensor([0.0]))
        (tensor([0.2500]), tensor([0.2500]))
    """
    shape, pairs = top.shape[:-2], top.shape[-2] * rest.shape[-2]
    rows = math.prod(shape)
    whole = torch.compiler.is_compiling() or top.device.type != "cpu"
    block = max(1, rows if whole else PAIRS_PER_BLOCK // max(1, pairs))
    weights = [
        torch.ones_like(scores) if valid is None else valid.to(scores.dtype)
        for scores, valid in ((top_scores, top_valid), (rest_scores, rest_valid))
    ]
    vectors = [
        tensor.expand(*shape, *tensor.shape[-2:]).reshape(rows, *tensor.shape[-2:]) for tensor in (gradient, top, rest)
    ]
    numbers = [
        tensor.expand(*shape, -1).reshape(rows, tensor.shape[-1]) for tensor in (top_scores, rest_scores, *weights)
    ]
    parts = [
        _pulls_of_rows(*(tensor[start : start + block] for tensor in (*vectors, *numbers)))
        for start in range(0, max(1, rows), block)
    ]
    of_top, of_rest = (torch.cat(sums).reshape(*shape, sums[0].shape[-1]) for sums in zip(*parts, strict=True))
    return of_top, of_rest


def _pulls_of_rows(
    gradient: Tensor,
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    top_weights: Tensor,
    rest_weights: Tensor,
) -> tuple[Tensor, Tensor]:
    own = (gradient * top).sum(-1, keepdim=True)
    gain = torch.baddbmm(own, gradient, rest.mT, alpha=-1).to(top_scores.dtype)
    beats = (top_scores[:, :, None] - rest_scores[:, None, :]).sigmoid_()
    pull = torch.ops.aten.sigmoid_backward(gain, beats)  # gain · p (1 − p) in one pass
    of_top = torch.bmm(pull, rest_weights[:, :, None]).squeeze(-1) * top_weights
    of_rest = torch.bmm(top_weights[:, None, :], pull).squeeze(1) * rest_weights
    return of_top, of_rest
