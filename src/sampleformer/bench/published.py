"""Peers to measure against: what the publications' formulas cost when they are computed as they are written."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def expanded_maxout(query: Float[Tensor, "b h n e"], key: Float[Tensor, "b h k e"]) -> Float[Tensor, "b h n k"]:
    """`functional.scores.maxout` through both numbers of every pair and channel side by side, ``(b, h, n, k, e, 2)``.

    ``s_ij = Σ_c (max(q_ic, k_jc) - 1/√π) / √(1 - 1/π) / √e``, one operation of torch for each of the formula's.

    Args:
        query: one vector a query and head.
        key: one vector a slot and head.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> from sampleformer.functional.scores import maxout
        >>> query, key = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4)
        >>> torch.allclose(expanded_maxout(query, key), maxout(query, key), atol=1e-5)
        True
    """
    larger = _pairs(query, key).max(dim=-1).values
    normal = (larger - 1 / math.sqrt(math.pi)) / math.sqrt(1 - 1 / math.pi)
    return normal.sum(-1) / math.sqrt(query.shape[-1])


def frugal_expanded_maxout(query: Float[Tensor, "b h n e"], key: Float[Tensor, "b h k e"]) -> Float[Tensor, "b h n k"]:
    """`expanded_maxout` with as little work as the expanded tensor allows: no places of the maxima, constants last.

    Args, Source: as for `expanded_maxout`.

    Example:
        >>> query, key = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4)
        >>> torch.allclose(frugal_expanded_maxout(query, key), expanded_maxout(query, key), atol=1e-5)
        True
    """
    width = query.shape[-1]
    total = _pairs(query, key).amax(-1).sum(-1)
    return (total - width / math.sqrt(math.pi)) / math.sqrt(width * (1 - 1 / math.pi))


def _pairs(query: Tensor, key: Tensor) -> Tensor:
    return torch.stack(torch.broadcast_tensors(query[..., :, None, :], key[..., None, :, :]), dim=-1)
