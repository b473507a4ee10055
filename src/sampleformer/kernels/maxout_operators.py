"""The operators of `maxout`: what the compiler sees in place of the kernels."""

from typing import Any

import torch
from torch import Tensor


@torch.library.custom_op("sampleformer::maxout_attention", mutates_args=())
def _maxout_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    escape: Tensor,
    multiplicative: Tensor | None,
    additive: Tensor | None,
    relu: bool,
) -> tuple[Tensor, Tensor]:
    from sampleformer.kernels.maxout_launch_triton import launch_forward

    terms = None if multiplicative is None or additive is None else (multiplicative, additive)
    with torch.cuda.device_of(query):  # which is where Triton starts kernels
        return launch_forward(query, key, value, valid, terms, escape, relu=relu)


@_maxout_attention.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    escape: Tensor,
    multiplicative: Tensor | None,
    additive: Tensor | None,
    relu: bool,
) -> tuple[Tensor, Tensor]:
    shape = query.shape[:3]
    return value.new_empty(*shape, value.shape[3]), query.new_empty(shape, dtype=torch.float32)


@torch.library.custom_op(
    "sampleformer::maxout_attention_backward",
    mutates_args=(),
    # Spelled out, because torch 2.6 does not read ``list[Tensor]`` from the annotation.
    schema=(
        "(Tensor query, Tensor key, Tensor value, Tensor? valid, Tensor escape, Tensor? multiplicative, "
        "Tensor? additive, bool relu, Tensor result, Tensor statistic, Tensor gradient) -> Tensor[]"
    ),
)
def _maxout_attention_backward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    escape: Tensor,
    multiplicative: Tensor | None,
    additive: Tensor | None,
    relu: bool,
    result: Tensor,
    statistic: Tensor,
    gradient: Tensor,
) -> list[Tensor]:
    from sampleformer.kernels.maxout_launch_triton import launch_backward

    terms = None if multiplicative is None or additive is None else (multiplicative, additive)
    with torch.cuda.device_of(query):
        of_query, of_key, of_value, of_terms, inner = launch_backward(
            query, key, value, valid, terms, result, statistic, gradient, relu=relu
        )
    # The share of a query's weights that escapes, by which its result would shrink if more did.
    escaped = statistic.reciprocal() if relu else (escape[..., None] - statistic).exp()
    return [of_query, of_key, of_value, -(escaped * inner).sum(-1), *(of_terms or ())]


@_maxout_attention_backward.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    escape: Tensor,
    multiplicative: Tensor | None,
    additive: Tensor | None,
    relu: bool,
    result: Tensor,
    statistic: Tensor,
    gradient: Tensor,
) -> list[Tensor]:
    terms = [] if multiplicative is None or additive is None else [multiplicative, additive]
    return [tensor.new_empty(tensor.shape) for tensor in (query, key, value, escape, *terms)]


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.relu = inputs
    ctx.save_for_backward(*tensors, *output)


def _backward(ctx: Any, gradient: Tensor, of_statistic: Tensor | None) -> tuple[Tensor | None, ...]:
    *tensors, result, statistic = ctx.saved_tensors
    found = torch.ops.sampleformer.maxout_attention_backward(*tensors, ctx.relu, result, statistic, gradient)
    of_query, of_key, of_value, of_escape, *of_terms = found
    return (of_query, of_key, of_value, None, of_escape, *(of_terms or (None, None)), None)


_maxout_attention.register_autograd(_backward, setup_context=_save)
