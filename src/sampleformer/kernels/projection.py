"""Projecting the tokens that were chosen, and no copy of them.

Floor, for g groups that choose m of n tokens of width d, which get c numbers of s bytes each: ``2 g m c d`` operations
in the forward pass and twice that in the backward one, and ``g m c s`` bytes written. The plain function also writes
the tokens chosen, ``g m d s`` bytes, reads and writes them to normalise them, and reads them again: at g = 8, m = 512,
d = 512 in bfloat16 that is 4 × 4 MB a sample, and as much in the backward pass. The kernel reads each token where it
is, for every 64 of the c numbers once: at ``c = 2 d / g`` that is ``2 g m d s`` bytes, mostly from the cache.

What follows, attending to them, stays torch's own fused attention (`F.scaled_dot_product_attention`). It reads and
writes ``2 n d s`` bytes for queries and results and as good as nothing for the k keys and values, with ``4 n k d``
operations: ``2 k / s`` operations a byte, at k = 256 in bfloat16 256, about what a large GPU can do while it reads one.
Projecting in the same kernel would save writing and reading keys and values, ``4 k d s`` bytes, which is ``2 k / n`` of
the traffic, and each of its n / 128 programs would have to project all chosen tokens anew.
"""

from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sampleformer.functional import gathering
from sampleformer.functional.norms import rms_norm
from sampleformer.kernels.availability import unavailable, use_triton

WIDEST = 2**14
"""The widest token that the kernel takes: the backward pass of its norm has one in registers."""


def project_chosen(
    features: Float[Tensor, "b n d"],
    indices: Int64[Tensor, "b g m"],
    weight: Float[Tensor, "g c d"],
    bias: Float[Tensor, "g c"] | None = None,
    scale: Float[Tensor, "d"] | None = None,
    epsilon: float = 1e-6,
    *,
    kernel: str = "auto",
) -> Float[Tensor, "b g m c"]:
    """`functional.gathering.project_chosen`, with or without RMSNorm, and without a copy of the tokens.

    RMSNorm multiplies a token by one number and each feature by another: the first multiplies what was projected, the
    other the weight, ``result = (weight · scale) x / sqrt(mean(x²) + epsilon) + bias``. The gradient of the features
    is gathered token by token from the groups that chose it, in the order of the groups; that of the weight is summed
    up in equal parts of the tokens chosen, and the parts in their order.

    Args:
        features, indices, weight, bias: as there.
        scale: the weight of RMSNorm, which the tokens then pass before they are projected; None: they do not.
        epsilon: RMSNorm's.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``, see `use_triton`.

    Raises:
        ValueError: if the kernel is ``"triton"`` and cannot run.

    Source: SAMSA (arXiv 2408.05391), section 3; RMSNorm: Zhang and Sennrich 2019 (arXiv 1910.07467), equation 4.

    Example:
        >>> tokens, weight = torch.tensor([[[5.0], [7.0]]]), torch.tensor([[[2.0]]])
        >>> project_chosen(tokens, torch.tensor([[[1, 0]]]), weight).flatten()
        tensor([14., 10.])
    """
    if not use_triton(kernel, _reason(features, weight, bias, scale)) or not indices.numel():
        norm = None if scale is None else partial(rms_norm, weight=scale, epsilon=epsilon)
        return gathering.project_chosen(features, indices, weight, bias, norm)
    from sampleformer.kernels import projection_operators as operators

    if scale is not None:
        weight = weight * scale
    device = features.device.type
    # As torch's own products: under autocast in its precision, else in that of the tokens.
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
    bias = None if bias is None else bias.to(dtype)
    return operators.project_chosen(features, indices, weight.to(dtype), bias, None if scale is None else epsilon)


def _reason(features: Tensor, *parameters: Tensor | None) -> str | None:
    reason = unavailable(features, *(given for given in parameters if given is not None))
    if reason is None and features.shape[-1] > WIDEST:
        return f"the width is {features.shape[-1]}, expected at most {WIDEST}"
    return reason
