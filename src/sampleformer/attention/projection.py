"""Keys, values and leak logits of the tokens that were chosen."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.functional import gathering
from sampleformer.functional.gathering import rows_at
from sampleformer.kernels.projection import project_chosen
from sampleformer.modules import is_plain
from sampleformer.norms import RMSNorm


def project_by_group(
    norm: Callable[[Tensor], Tensor],
    features: Float[Tensor, "b n d"],
    indices: Int64[Tensor, "b g m"],
    key_value: nn.Module,
    leak: nn.Module | None,
    *,
    heads: int,
    kernel: str = "auto",
) -> Float[Tensor, "b g m c"]:
    """What each group's heads get of the tokens that the group chose: for each head its key, its value, its leak logit.

    Linear layers as torch has them are cut: each group multiplies its tokens by the rows of its own heads alone, and
    the fused kernel does so without a copy of the tokens. A layer that was wrapped, replaced, pruned, quantised or has
    hooks is called instead, once, with the tokens of all groups one after the other, ``(b, g m, d)``; of what it
    returns each group takes the part of its heads. That is the same result for g times the products.

    Args:
        norm: Norm of single tokens, which they pass before.
        features: Features of n tokens.
        indices: Tokens that each group chose, each from 0 to n − 1.
        key_value: Layer from d numbers to the keys of all heads and then the values of all heads.
        leak: Layer from d numbers to one for each head. None: nothing leaks.
        heads: h, a multiple of g.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``, see `kernels.use_triton`.
    """
    groups = indices.shape[1]
    if is_plain(key_value, nn.Linear) and (leak is None or is_plain(leak, nn.Linear)):
        weight, bias = _cut(key_value, leak, groups, heads)
        if isinstance(norm, nn.Module) and is_plain(norm, RMSNorm):
            return project_chosen(features, indices, weight, bias, norm.weight, norm.epsilon, kernel=kernel)
        if isinstance(norm, nn.Module) and is_plain(norm, nn.Identity):
            return project_chosen(features, indices, weight, bias, kernel=kernel)
        return gathering.project_chosen(features, indices, weight, bias, norm)  # the kernel knows no other norm
    chosen = norm(rows_at(features, indices.flatten(1)))
    carried = _by_head(key_value(chosen), None if leak is None else leak(chosen), heads, dim=2)
    # Of (b, g, m, g, c) the part that each group chose for itself.
    return carried.flatten(2).unflatten(2, (groups, -1)).unflatten(1, (groups, -1)).diagonal(0, 1, 3).movedim(-1, 1)


def _cut(key_value: nn.Linear, leak: nn.Linear | None, groups: int, heads: int) -> tuple[Tensor, Tensor | None]:
    """Weight ``(g, c, d)`` and bias ``(g, c)`` of each group."""
    weight = _by_head(key_value.weight, None if leak is None else leak.weight, heads, dim=0)
    weight = weight.unflatten(0, (groups, -1)).flatten(1, 2)
    bias: Tensor | None = key_value.bias
    if bias is None and leak is not None:
        bias = weight.new_zeros(key_value.out_features)
    if bias is not None:
        bias = _by_head(bias, None if leak is None else leak.bias, heads, dim=0).reshape(groups, -1)
    return weight, bias


def _by_head(key_value: Tensor, leak: Tensor | None, heads: int, *, dim: int) -> Tensor:
    """The keys and values of all heads, 2 h e in one dimension, and their leak logits, h, as (h, carried)."""
    by_head = key_value.unflatten(dim, (2, heads, -1)).transpose(dim, dim + 1).flatten(dim + 1, dim + 2)
    return by_head if leak is None else torch.cat([by_head, leak.unsqueeze(dim + 1)], dim=dim + 1)
