"""The operator of `attention`, and those of its sums and gradients: what the compiler sees in place of the kernels."""

from typing import Any

import torch
from torch import Tensor

from sampleformer.kernels.bernoulli import expected_operators, pairs, sums  # noqa: F401 (defines their operators)


@torch.library.custom_op("sampleformer::bernoulli_attention_triton", mutates_args=())
def _bernoulli_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_codes: Tensor,
    key_codes: Tensor,
    code_length: int,
    exact: bool,
    deterministic: bool,
) -> Tensor:
    # Query and key are here for their gradients.
    return torch.ops.sampleformer.bernoulli_sum_triton(query_codes, key_codes, value, 2**code_length, deterministic)


@_bernoulli_attention.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_codes: Tensor,
    key_codes: Tensor,
    code_length: int,
    exact: bool,
    deterministic: bool,
) -> Tensor:
    return value.new_empty((*query.shape[:3], value.shape[-1]))


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.code_length, ctx.exact, ctx.deterministic = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    query, key, value, query_codes, key_codes = ctx.saved_tensors
    operators, buckets = torch.ops.sampleformer, 2**ctx.code_length
    of_query = of_key = of_value = None
    if ctx.needs_input_grad[2]:
        of_value = operators.bernoulli_sum_triton(key_codes, query_codes, gradient, buckets, ctx.deterministic)
    if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
        if ctx.exact:
            # What is in no bucket must not count here either.
            no_query, no_key = ((codes[:, :, 0] == buckets)[..., None] for codes in (query_codes, key_codes))
            query, weight = query.masked_fill(no_query, 0), gradient.masked_fill(no_query, 0)
            key, value = key.masked_fill(no_key, 0), value.masked_fill(no_key, 0)
            of_query, of_key = operators.expected_outer_triton(query, key, value, weight, ctx.code_length)
        else:
            scale = ctx.code_length / 2 / query_codes.shape[2]
            of_query, of_key = operators.bernoulli_outer_triton(
                query_codes, key_codes, query, key, value, gradient, buckets, scale, ctx.deterministic
            )
    return of_query, of_key, of_value, None, None, None, None, None


_bernoulli_attention.register_autograd(_backward, setup_context=_save_inputs)
