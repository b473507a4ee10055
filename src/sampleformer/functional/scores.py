"""How well a query and a key go together: the scaled dot product and the maxout score."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.functional.maxima import sum_of_maxima
from sampleformer.tracing import is_exporting, without_autocast

# Where sums of maxima run in blocks that fit a cache.
BLOCKED_DEVICES = ("cpu",)
# The backward of cdist makes n·k·e numbers in each call, except on CPUs.
NUMBERS_PER_CALL = 2**26


def scaled_dot(query: Float[Tensor, "b h n e"], key: Float[Tensor, "b h k e"]) -> Float[Tensor, "b h n k"]:
    """The scaled dot product of every query and every key, ``s_ij = q_i·k_j / √e``.

    Args:
        query: one vector a query and head.
        key: one vector a slot and head.

    Returns:
        Scores, float32 or wider: half precision and autocast are computed in float32, because weights are made of the
        exponentials of the scores.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), equation 1.

    Example:
        >>> scaled_dot(torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4))
        tensor([[[[2.]]]])
    """
    query, key = _wide(query, key)
    with without_autocast(query):
        return (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)


def maxout(query: Float[Tensor, "b h n e"], key: Float[Tensor, "b h k e"]) -> Float[Tensor, "b h n k"]:
    """The standardised sum of the larger of two numbers, ``s_ij = Σ_c (max(q_ic, k_jc) - 1/√π) / √(1 - 1/π) / √e``.

    The maximum of two standard normals has mean 1/√π and variance 1 - 1/π, so the score of such vectors has mean 0 and
    variance 1. No tensor of n·k·e numbers is made: on CPUs blocks of them are summed up as they come, see
    `sum_of_maxima`; elsewhere it is ``½ (Σ_c q_c + Σ_c k_c + ‖q - k‖₁)`` with `torch.cdist`. The gradient is that of
    the maximum; where ``q_c = k_c``, half of it goes to each.

    Args:
        query: one vector a query and head.
        key: one vector a slot and head.

    Returns:
        Scores, float32 or wider: half precision and autocast are computed in float32.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> maxout(torch.full((1, 1, 1, 4), math.pi**-0.5), torch.zeros(1, 1, 1, 4)).abs() < 1e-6
        tensor([[[[True]]]])
    """
    query, key = _wide(query, key)
    scale, mean = 1 / math.sqrt(query.shape[-1] * (1 - 1 / math.pi)), 1 / math.sqrt(math.pi)
    with without_autocast(query):
        # Standardised here, so that the n·k scores need not be.
        query, key = (query - mean) * scale, (key - mean) * scale
        if query.device.type in BLOCKED_DEVICES and not is_exporting():
            return sum_of_maxima(query.flatten(0, 1), key.flatten(0, 1)).unflatten(0, query.shape[:2])
        query, key = query / 2, key / 2
        return _l1_distance(query, key).add(query.sum(-1)[..., :, None]).add_(key.sum(-1)[..., None, :])


def _l1_distance(query: Tensor, key: Tensor) -> Tensor:
    if is_exporting():
        return _l1_distance_by_channel(query, key)
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return torch.cdist(query, key, p=1)
    block = max(1, NUMBERS_PER_CALL // max(1, key.numel()))
    return torch.cat([torch.cdist(part, key, p=1) for part in query.split(block, dim=2)], dim=2)


def _l1_distance_by_channel(query: Tensor, key: Tensor) -> Tensor:
    # For programs that leave torch: ONNX has no such distance.
    distance = query.new_zeros(())
    for of_query, of_key in zip(query.unbind(-1), key.unbind(-1), strict=True):
        distance = distance + (of_query[..., :, None] - of_key[..., None, :]).abs()
    return distance


def _wide(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    dtype = torch.promote_types(torch.promote_types(query.dtype, key.dtype), torch.float32)
    return query.to(dtype), key.to(dtype)


SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"scaled_dot": scaled_dot, "maxout": maxout}
