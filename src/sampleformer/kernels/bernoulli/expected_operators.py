"""The operators of `expected`: what the compiler sees in place of the kernels."""

from typing import Any

import torch
from torch import Tensor

from sampleformer.kernels.availability import interpreting
from sampleformer.kernels.bernoulli.operands import block_width, blocks, precision


@torch.library.custom_op("sampleformer::expected_attention_triton", mutates_args=())
def _expected_attention(query: Tensor, key: Tensor, value: Tensor, code_length: int) -> Tensor:
    result = value.new_zeros((*query.shape[:3], value.shape[-1]))
    _run(result, (query, key), None, value, code_length)
    return result


@_expected_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, code_length: int) -> Tensor:
    return value.new_empty((*query.shape[:3], value.shape[-1]))


@torch.library.custom_op("sampleformer::expected_outer_triton", mutates_args=())
def _expected_outer(
    query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int
) -> tuple[Tensor, Tensor]:
    """``t/2 Σ_j c_ij (g_i · v_j) k_j`` of query i, and ``t/2 Σ_i c_ij (v_j · g_i) q_i`` of key j."""
    value = value.to(gradient.dtype)
    of_query, of_key = (tensor.new_zeros(tensor.shape) for tensor in (query, key))
    _run(of_query, (query, key), (gradient, value), key, code_length, code_length / 2)
    _run(of_key, (key, query), (value, gradient), query, code_length, code_length / 2)
    return of_query, of_key


@_expected_outer.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape)


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.code_length = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    query, key, value = ctx.saved_tensors
    operators = torch.ops.sampleformer
    of_query = of_key = of_value = None
    if ctx.needs_input_grad[2]:  # the same sum with the roles exchanged
        of_value = operators.expected_attention_triton(key, query, gradient, ctx.code_length)
    if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
        of_query, of_key = operators.expected_outer_triton(query, key, value, gradient, ctx.code_length)
    return of_query, of_key, of_value, None


_expected_attention.register_autograd(_backward, setup_context=_save_inputs)


def _run(
    result: Tensor,
    units: tuple[Tensor, Tensor],
    lefts: tuple[Tensor, Tensor] | None,
    right: Tensor,
    code_length: int,
    scale: float = 1.0,
) -> None:
    """Fills ``result``, see `expected_kernel`; units and lefts are (own, other)."""
    from sampleformer.kernels.bernoulli.expected_triton import expected_kernel

    if result.numel() == 0 or right.shape[2] == 0:
        return
    unit = torch.promote_types(units[0].dtype, units[1].dtype)
    own_unit, other_unit = (tensor.to(unit).contiguous() for tensor in units)
    own_left, other_left = (tensor.contiguous() for tensor in (units if lefts is None else lefts))
    length = result.shape[2]
    sizes = blocks(own_unit, own_left, right)
    of_row = -(-length // sizes["OWN"])
    with torch.cuda.device_of(result):
        expected_kernel[(of_row * result.shape[0] * result.shape[1],)](
            own_unit,
            own_left,
            other_unit,
            other_left,
            right.contiguous(),
            result,
            length,
            right.shape[2],
            own_unit.shape[-1],
            own_left.shape[-1],
            right.shape[-1],
            of_row,
            scale,
            **sizes,
            WIDTH=block_width(own_unit.shape[-1]),
            LEFT_WIDTH=block_width(own_left.shape[-1]),
            RIGHT_WIDTH=block_width(right.shape[-1]),
            CODE_LENGTH=code_length,
            WIDEN=interpreting(),
            PRECISION=precision(own_unit, own_left, right),
            IS_WEIGHTED=lefts is not None,
        )
