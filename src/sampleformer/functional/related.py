"""How relative terms enter the scores."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

# What is worked on at once stays in the second-level cache.
NUMBERS_PER_BLOCK = 2**16


def related(
    scores: Float[Tensor, "b h n k"], multiplicative: Float[Tensor, "b h n k"], additive: Float[Tensor, "b h n k"]
) -> Float[Tensor, "b h n k"]:
    """Scores of pairs after their places had a say, ``a_ij = s_ij · softplus(w_ij) + u_ij``.

    On CPUs, values and gradients are made block by block, and only s and the softplus are kept for the gradient. There
    is no second derivative.

    Args:
        scores: s.
        multiplicative: w.
        additive: u.

    Returns:
        Scores, float32 or wider.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> related(torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 30.0), torch.full((1, 1, 1, 1), 0.5))
        tensor([[[[30.5000]]]])
    """
    wide = torch.promote_types(scores.dtype, torch.float32)
    given = (scores.to(wide), multiplicative.to(wide), additive.to(wide))
    if scores.device.type != "cpu" or torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _related(*given)
    result: Tensor = _Related.apply(*given)
    return result


def _related(scores: Tensor, multiplicative: Tensor, additive: Tensor) -> Tensor:
    return torch.addcmul(additive, scores, F.softplus(multiplicative))


class _Related(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, multiplicative: Tensor, additive: Tensor) -> Tensor:
        factors, result = torch.empty_like(multiplicative), torch.empty_like(scores)
        tensors = (scores, multiplicative, additive, factors, result)
        for s, w, u, factor, out in _blocks(*tensors):
            torch.ops.aten.softplus.out(w, out=factor)
            torch.addcmul(u, s, factor, out=out)
        ctx.save_for_backward(scores, factors)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, factors = ctx.saved_tensors
        of_scores, of_multiplicative = torch.empty_like(scores), torch.empty_like(factors)
        for g, s, factor, to_s, to_w in _blocks(gradient, scores, factors, of_scores, of_multiplicative):
            torch.mul(g, factor, out=to_s)
            # The derivative of softplus is the sigmoid, 1 − exp(−softplus).
            torch.neg(factor, out=to_w).expm1_().mul_(s).mul_(g).neg_()
        return of_scores, of_multiplicative, gradient


def _blocks(*tensors: Tensor) -> Any:
    """The same queries of all tensors, a few at a time."""
    batch, heads, _, keys = tensors[0].shape
    queries = max(1, NUMBERS_PER_BLOCK // max(1, batch * heads * keys))
    return zip(*(tensor.split(queries, dim=2) for tensor in tensors), strict=True)
