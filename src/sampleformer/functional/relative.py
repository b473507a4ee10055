"""Terms of pairs: linear maps of what relates a query to a chosen token, without a tensor of pairs times features.

All functions agree on this: a query i and the token j in a slot of a group of heads have relative features ``r_ij``, f
numbers, which are never stored. Weights ``(h, f)`` are a linear map for each of h heads; the result ``(b, h, n, m)``
holds ``weight · r_ij`` for the m slots of each head, in the layout of scores. Heads are dealt out to the g groups in
order: the first h / g heads see the slots of the first group. Everything is computed in float32 or wider, also under
autocast, and the result has the weights' dtype. Source: SFT (arXiv 2408.05822), section 3.
"""

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor

from sampleformer.tracing import without_autocast


def sinusoidal_rates(
    count: int, *, longest: float = 10_000.0, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "c"]:
    """Angles by which a sinusoidal code turns from one position to the next: 1, …, falling geometrically.

    ``ω_c = longest^(−c / count)``.

    Args:
        count: of rates.
        longest: what the slowest code's period, in units of 2π positions, stays below.
        device: of the result.
        dtype: of the result, float32 or wider.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5.

    Example:
        >>> sinusoidal_rates(2)
        tensor([1.0000, 0.0100])
    """
    return torch.exp(torch.arange(count, device=device, dtype=dtype) * (-math.log(longest) / count))


def sinusoidal_code(positions: Num[Tensor, "*rows"], rates: Float[Tensor, "c"]) -> Float[Tensor, "*rows 2*c"]:
    """``[sin(ω_1 p), …, sin(ω_c p), cos(ω_1 p), …, cos(ω_c p)]``, as wide as the rates.

    Args:
        positions: p, whole numbers or not.
        rates: ω.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5.

    Example:
        >>> sinusoidal_code(torch.tensor([0]), torch.ones(2))
        tensor([[0., 0., 1., 1.]])
    """
    angles = positions.to(rates.dtype)[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def offset_terms(
    code: Float[Tensor, "b n f"], chosen: Float[Tensor, "b g m f"], weight: Float[Tensor, "h f"]
) -> Float[Tensor, "b h n m"]:
    """Terms of the offset i − j: ``r_ij`` is the sinusoidal code of ``p_i − p_j``.

    ``sin(x − y) = sin x cos y − cos x sin y`` and ``cos(x − y) = cos x cos y + sin x sin y``, so one product of
    matrices, with f numbers a query, gives all terms.

    Args:
        code: of the queries, from `sinusoidal_code`.
        chosen: of the chosen tokens, with the same rates.
        weight: of the f = 2c features, sines first.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> code = sinusoidal_code(torch.tensor([[3, 4]]), torch.ones(1))
        >>> offset_terms(code, code[:, None], torch.tensor([[0.0, 1.0]])).squeeze()  # the cosines
        tensor([[1.0000, 0.5403],
                [0.5403, 1.0000]])
    """
    dtype = weight.dtype
    code, chosen, weight = wide(code, chosen, weight)
    of_sine, of_cosine = weight.chunk(2, dim=-1)
    sine, cosine = chosen.chunk(2, dim=-1)
    for_sine = _weighted(cosine, of_sine) + _weighted(sine, of_cosine)
    for_cosine = _weighted(cosine, of_cosine) - _weighted(sine, of_sine)
    return _for_all_queries(code, torch.cat([for_sine, for_cosine], dim=1)).to(dtype)


def concatenation_terms(
    code: Float[Tensor, "b n c"], chosen: Float[Tensor, "b g m d"], weight: Float[Tensor, "h f"]
) -> Float[Tensor, "b h n m"]:
    """Terms of two codes side by side: ``r_ij = [code_i ; code_j]``, so that a term is a sum of one of each.

    Args:
        code: of the queries.
        chosen: of the chosen tokens.
        weight: of the f = c + d features, the query's first.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> code = torch.tensor([[[1.0], [2.0]]])
        >>> concatenation_terms(code, code[:, None], torch.tensor([[1.0, 10.0]])).squeeze()
        tensor([[11., 21.],
                [12., 22.]])
    """
    dtype = weight.dtype
    code, chosen, weight = wide(code, chosen, weight)
    of_query, of_chosen = weight.split([code.shape[-1], chosen.shape[-1]], dim=-1)
    from_query = wide_matmul(code, of_query.T).transpose(1, 2)
    from_chosen = wide_matmul(by_group(of_chosen, chosen.shape[1]), chosen.mT).flatten(1, 2)
    return (from_query[..., None] + from_chosen[:, :, None]).to(dtype)


def product_terms(
    code: Float[Tensor, "b n f"], chosen: Float[Tensor, "b g m f"], weight: Float[Tensor, "h f"]
) -> Float[Tensor, "b h n m"]:
    """Terms of the Hadamard product of two codes: ``r_ij = code_i ⊙ code_j``.

    Args:
        code: of the queries.
        chosen: of the chosen tokens.
        weight: of the f features.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> code = torch.tensor([[[1.0], [2.0]]])
        >>> product_terms(code, code[:, None], torch.tensor([[10.0]])).squeeze()
        tensor([[10., 20.],
                [20., 40.]])
    """
    dtype = weight.dtype
    code, chosen, weight = wide(code, chosen, weight)
    return _for_all_queries(code, _weighted(chosen, weight)).to(dtype)


def heads_of_groups(heads: int, groups: int) -> int:
    """How many heads each group has.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> heads_of_groups(8, 2)
        4
    """
    if heads % groups:
        raise ValueError(f"indices are for {groups} groups, expected a divisor of the {heads} heads of the weights")
    return heads // groups


def by_group(weight: Float[Tensor, "h f"], groups: int) -> Float[Tensor, "g q f"]:
    """The weights of the q = h / g heads of each group.

    Raises:
        ValueError: if the groups do not divide the heads.

    Example:
        >>> by_group(torch.zeros(8, 3), 4).shape
        torch.Size([4, 2, 3])
    """
    return weight.unflatten(0, (groups, heads_of_groups(weight.shape[0], groups)))


def _weighted(chosen: Tensor, weight: Tensor) -> Tensor:
    """What the chosen tokens hold, times the weights: (b, g, m, f) and (h, f) to (b, f, h, m)."""
    weight = by_group(weight, chosen.shape[1]).permute(2, 0, 1)[..., None]  # (f, g, q, 1)
    return (chosen.permute(0, 3, 1, 2)[:, :, :, None] * weight).flatten(2, 3)


def _for_all_queries(code: Tensor, weighted: Tensor) -> Tensor:
    # One product for all heads. Their terms are then laid out as scores are: compiled gradients rely on one layout.
    terms = wide_matmul(code, weighted.flatten(2)).unflatten(2, weighted.shape[2:])
    return terms.transpose(1, 2).contiguous()


def wide(*tensors: Tensor) -> list[Tensor]:
    """The tensors in the widest of their dtypes and float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]


def wide_matmul(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` in their own dtype, also under autocast."""
    with without_autocast(left):
        return left @ right
