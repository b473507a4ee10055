"""Starts the kernels that project what was chosen; see `kernels.projection`."""

import torch
import triton
from torch import Tensor

from sampleformer.kernels.device import on_its_device
from sampleformer.kernels.precision import of_products
from sampleformer.kernels.projection_triton import feature_kernel, norm_kernel, project_kernel, weight_kernel

PROGRAMS = 256
"""So many keep a large GPU busy: where the weight has fewer blocks, its sums are cut into parts."""


@on_its_device
def project(features: Tensor, indices: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float | None) -> Tensor:
    """``(b, g, m, c)`` in the dtype of the weight; everything is contiguous."""
    (batch, length, width), (_, groups, slots) = features.shape, indices.shape
    carried = weight.shape[1]
    out = weight.new_empty(batch, groups, slots, carried)
    block, columns = _side(slots), _side(carried)
    grid = (batch * groups, triton.cdiv(slots, block), triton.cdiv(carried, columns))
    project_kernel[grid](
        features,
        indices,
        weight,
        weight if bias is None else bias.contiguous(),
        out,
        groups,
        length,
        slots,
        width,
        carried,
        epsilon or 0.0,
        BIAS=bias is not None,
        NORMALISE=epsilon is not None,
        **of_products(weight.dtype),
        BLOCK=block,
        COLUMNS=columns,
        LANES=_lanes(width, weight.dtype),
        num_warps=4,
        num_stages=3,
    )
    return out


@on_its_device
def gradient_of_features(
    gradient: Tensor, features: Tensor, indices: Tensor, weight: Tensor, inverse: Tensor | None
) -> Tensor:
    """``(b, n, d)``; `inverse` is what the norm multiplied each token by, ``(b, n)``, None without a norm."""
    (batch, length, width), (_, groups, slots) = features.shape, indices.shape
    # Blocks in which a group chose about as many tokens as are worked on at once.
    block = min(128, max(16, triton.next_power_of_2(16 * length // slots)))
    blocks = triton.cdiv(length, block)
    chosen, order = indices.sort(dim=-1, stable=True)
    edges = torch.arange(blocks + 1, device=indices.device) * block
    first = torch.searchsorted(chosen, edges.expand(batch, groups, -1).contiguous(), out_int32=True)
    lanes = _side(width)
    result = torch.empty_like(features, dtype=features.dtype if inverse is None else torch.float32)
    feature_kernel[(batch, blocks, triton.cdiv(width, lanes))](
        gradient,
        weight,
        chosen,
        order,
        first,
        result,
        groups,
        length,
        slots,
        width,
        weight.shape[1],
        blocks,
        **of_products(weight.dtype),
        BLOCK=block,
        CHUNK=16,
        COLUMNS=_lanes(weight.shape[1], weight.dtype),
        LANES=lanes,
        num_warps=4,
        num_stages=2,
    )
    if inverse is None:
        return result
    normal = torch.empty_like(features)
    lanes = triton.next_power_of_2(width)
    norm_kernel[(batch * length,)](
        result, features, inverse, normal, width, LANES=lanes, num_warps=min(8, max(1, lanes // 256))
    )
    return normal


@on_its_device
def gradient_of_weight(gradient: Tensor, features: Tensor, indices: Tensor, inverse: Tensor | None) -> Tensor:
    """``(g, c, d)``, float32."""
    (_, length, width), (batch, groups, slots) = features.shape, indices.shape
    carried = gradient.shape[-1]
    columns, lanes = _side(carried), _side(width)
    blocks = groups * triton.cdiv(carried, columns) * triton.cdiv(width, lanes)
    parts = max(1, min(PROGRAMS // blocks, triton.cdiv(batch * slots, 256)))
    part = triton.cdiv(triton.cdiv(batch * slots, parts), 32) * 32
    result = torch.empty(parts, groups, carried, width, dtype=torch.float32, device=features.device)
    weight_kernel[(groups * parts, triton.cdiv(carried, columns), triton.cdiv(width, lanes))](
        gradient,
        features,
        indices,
        features if inverse is None else inverse,
        result,
        groups,
        length,
        slots,
        width,
        carried,
        batch * slots,
        part,
        NORMALISE=inverse is not None,
        **of_products(gradient.dtype),
        BLOCK=32,
        COLUMNS=columns,
        LANES=lanes,
        num_warps=4,
        num_stages=3,
    )
    return result.sum(0)


def _side(count: int) -> int:
    return min(64, max(16, triton.next_power_of_2(count)))


def _lanes(width: int, dtype: torch.dtype) -> int:
    return min(32 if dtype == torch.float32 else 64, max(16, triton.next_power_of_2(width)))
