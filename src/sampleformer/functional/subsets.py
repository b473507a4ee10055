"""The distribution of subsets of exactly k tokens: exact samples, exact marginals and their exact gradient.

``P(S) ∝ exp(Σ_{i in S} s_i)`` for ``|S| = k``: independent draws with odds exp(s_i), given that k succeed. That does
not depend on a constant added to all scores, so the threshold of `topk_threshold` is taken off first: then k successes
are a likely number, and the tables below hold plain probabilities, without logarithms and without underflow.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional.relaxed_topk import topk_threshold
from sampleformer.tracing import differentiates_again


def sample_subset(
    scores: Float[Tensor, "*rows m"],
    k: int,
    uniform: Float[Tensor, "*rows m"],
    valid: Bool[Tensor, "*rows m"] | None = None,
) -> Bool[Tensor, "*rows m"]:
    """A subset of k tokens, drawn with ``P(S) ∝ exp(Σ_{i in S} s_i)``: O(k·m).

    Token by token: with r still to be found among those from i on, i is one of them with the probability that it
    succeeds and r − 1 of the later ones do, given that r do.

    Args:
        scores: s, float32 or wider.
        k: how many; where at most k are valid, all of these.
        uniform: draws from [0, 1), one for each token.
        valid: False where there is no token. None: all are tokens.

    Source: Ahmed et al. 2023 (arXiv 2210.01941), section 4.

    Example:
        >>> sample_subset(torch.tensor([50.0, 0.0, 50.0]), 2, torch.rand(3))
        tensor([ True, False,  True])
    """
    succeeds, few, valid = _success(scores.detach(), k, valid)
    if scores.shape[-1] == 0:
        return valid
    later = _tables(succeeds.flip(-1), k).flip(-2)  # later[i, r]: r of the tokens from i on succeed
    missing = torch.full_like(few, k, dtype=torch.int64)
    taken = []
    for i in range(scores.shape[-1]):
        given = later[..., i, :].gather(-1, missing)
        also = later[..., i + 1, :].gather(-1, (missing - 1).clamp(min=0)) * succeeds[..., i : i + 1]
        takes = (uniform[..., i : i + 1] * given < also) & (missing > 0)
        missing = missing - takes.long()
        taken.append(takes)
    return torch.where(few, valid, torch.cat(taken, -1))


def subset_marginals(
    scores: Float[Tensor, "*rows m"], k: int, valid: Bool[Tensor, "*rows m"] | None = None
) -> Float[Tensor, "*rows m"]:
    """``μ_i = P(i in S)`` for ``P(S) ∝ exp(Σ_{i in S} s_i)``, ``|S| = k``: O(k·m), and so is the gradient.

    The Jacobian is the covariance of the membership, ``∂μ_i/∂s_j = Cov(z_i, z_j)``; its product with a vector g is
    ``Cov(z_i, Σ_j g_j z_j)``, from tables of first moments, so nothing is differentiated through the recursion (but a
    second derivative is, through that of the gradient).

    Args:
        scores: s, float32 or wider.
        k: how many; where at most k are valid, μ = 1 for these.
        valid: False where there is no token, μ = 0. None: all are tokens.

    Source: Ahmed et al. 2023 (arXiv 2210.01941), section 4.

    Example:
        >>> subset_marginals(torch.zeros(4), 2)
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    result: Tensor = _Marginals.apply(scores, k, valid)[0]
    return result


class _Marginals(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, k: int, valid: Tensor | None) -> tuple[Tensor, ...]:
        succeeds, few, valid = _success(scores, k, valid)
        earlier, later = _tables(succeeds, k), _tables(succeeds.flip(-1), k).flip(-2)
        marginals = succeeds * _together(earlier, later) / _never_zero(later[..., 0, k:])
        return torch.where(few, valid.to(scores.dtype), marginals), succeeds, few, earlier, later

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        scores, ctx.k, valid = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(scores, valid, *output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *others: Any) -> tuple[Tensor, None, None]:
        scores, valid, marginals, succeeds, few, earlier, later = ctx.saved_tensors
        if differentiates_again():  # what was kept does not depend on the scores
            succeeds, few, _ = _success(scores, ctx.k, valid)
            earlier, later = _tables(succeeds, ctx.k), _tables(succeeds.flip(-1), ctx.k).flip(-2)
            marginals = subset_marginals(scores, ctx.k, valid)
        gradient = gradient.to(succeeds.dtype)
        earlier_moment = _moments(succeeds, gradient, earlier)
        later_moment = _moments(succeeds.flip(-1), gradient.flip(-1), later.flip(-2)).flip(-2)
        moment = _together(earlier_moment, later) + _together(earlier, later_moment)
        moment = moment + gradient * _together(earlier, later)
        moment = succeeds * moment / _never_zero(later[..., 0, ctx.k :])
        covariance = moment - marginals * (marginals * gradient).sum(-1, keepdim=True)
        return covariance.masked_fill(few, 0), None, None


def _success(scores: Tensor, k: int, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The probability of each, whether at most k are valid at all, and who is."""
    valid = torch.ones_like(scores, dtype=torch.bool) if valid is None else valid
    few = valid.sum(-1, keepdim=True) <= k
    succeeds = torch.sigmoid(scores - topk_threshold(scores, k, valid)).masked_fill(~valid, 0)
    return succeeds, few, valid


def _tables(succeeds: Tensor, k: int) -> Tensor:
    """``t[i, j]``: the probability that j of the first i succeed, j up to k; shape (…, m + 1, k + 1)."""
    table = torch.zeros(*succeeds.shape[:-1], k + 1, dtype=succeeds.dtype, device=succeeds.device)
    table[..., 0] = 1
    tables = [table]
    for each in succeeds.unbind(-1):
        table = torch.lerp(table, _one_more(table), each[..., None])
        tables.append(table)
    return torch.stack(tables, dim=-2)


def _moments(succeeds: Tensor, gradient: Tensor, tables: Tensor) -> Tensor:
    """``E[Σ_l g_l z_l · (j of the first i succeed)]``, l among the first i; laid out as the tables."""
    moment = torch.zeros_like(tables[..., 0, :])
    moments = [moment]
    for i, (each, weight) in enumerate(zip(succeeds.unbind(-1), gradient.unbind(-1), strict=True)):
        with_it = _one_more(moment + weight[..., None] * tables[..., i, :])
        moment = torch.lerp(moment, with_it, each[..., None])
        moments.append(moment)
    return torch.stack(moments, dim=-2)


def _one_more(table: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(table[..., :1]), table[..., :-1]], dim=-1)


def _together(earlier: Tensor, later: Tensor) -> Tensor:
    """``Σ_j earlier[i, j] later[i + 1, k − 1 − j]``: k − 1 successes beside token i."""
    return (earlier[..., :-1, :-1] * later[..., 1:, :-1].flip(-1)).sum(-1)


def _never_zero(values: Tensor) -> Tensor:
    return values.masked_fill(values == 0, 1)
