"""Probabilities of collision as attention weights: the expectation of the sampled form, and its yardstick."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional.bernoulli.checks import check_code_length, wide_dtype
from sampleformer.functional.blocks import NUMBERS_PER_BLOCK
from sampleformer.tracing import folded, without_autocast

NUMBERS_PER_BLOCK_ELSEWHERE = 2**26


def collision_probability(cosine: Float[Tensor, "*shape"], code_length: int) -> Float[Tensor, "*shape"]:
    """How probable it is that a sign hash gives two vectors the same code: ``c = (1 - arccos(cosine) / π)^t``.

    The derivative is unbounded at 1; its surrogate ``∂c / ∂cosine ≈ (t / 2) c`` is used instead.

    Args:
        cosine: of the angle between them; beyond ±1, where rounding puts it, it counts as ±1.
        code_length: t, signs in a code, 1 to 16.

    Returns:
        In the dtype of the cosine; half precision is computed in float32.

    Raises:
        ValueError: if the code length is not between 1 and 16.

    Source: YOSO (arXiv 2111.09714), section 3 (weights) and 3.3 (gradient).

    Example:
        >>> collision_probability(torch.tensor([-1.0, 0.0, 1.0]), 2)
        tensor([0.0000, 0.2500, 1.0000])
    """
    check_code_length(code_length)
    return _CollisionProbability.apply(cosine, code_length)


class _CollisionProbability(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(cosine: Tensor, code_length: int) -> Tensor:
        return _probability(cosine.to(wide_dtype(cosine)), code_length).to(cosine.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        cosine, ctx.code_length = inputs
        ctx.save_for_backward(cosine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (cosine,) = ctx.saved_tensors
        wide = cosine.to(wide_dtype(cosine))
        probability: Tensor = _CollisionProbability.apply(wide, ctx.code_length)
        return (probability * gradient * (ctx.code_length / 2)).to(gradient.dtype), None


def _probability(cosine: Tensor, code_length: int) -> Tensor:
    return (1 - cosine.clamp(-1, 1).acos() / math.pi) ** code_length


def expected_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    code_length: int,
    valid: Bool[Tensor, "b #h k"] | None = None,
    query_valid: Bool[Tensor, "b #h n"] | None = None,
) -> Float[Tensor, "b h n c"]:
    """Values weighted by the probabilities of collision, not normalised: ``out_i = Σ_j c_ij v_j``.

    ``c_ij = (1 - arccos(q_i · k_j) / π)^t``. Time is O(n·k); memory is linear, in training too, because weights are
    made block by block and made again in the backward pass. The gradients of query and key are surrogates,
    ``dq_i = Σ_j (g_i · v_j) (t / 2) c_ij k_j`` and ``dk_j = Σ_i (g_i · v_j) (t / 2) c_ij q_i``; the value's is exact.
    A second derivative is that of these formulas, and takes memory for every pair.

    Args:
        query: of unit length (`unit_length`).
        key: of unit length.
        value: what is added up.
        code_length: t, signs in a code, 1 to 16.
        valid: False at keys that do not count. None: all count.
        query_valid: False at queries whose result is zero. None: all count.

    Returns:
        In the dtype of the value; sums run in float32 or wider.

    Raises:
        ValueError: if the code length is not between 1 and 16.

    Source: YOSO-E (arXiv 2111.09714), section 3.

    Example:
        >>> from sampleformer.functional.bernoulli import unit_length
        >>> query = unit_length(torch.randn(1, 1, 3, 4))
        >>> expected_attention(query, query, torch.ones(1, 1, 3, 2), 8).shape
        torch.Size([1, 1, 3, 2])
    """
    check_code_length(code_length)
    if valid is not None:
        key, value = (tensor.masked_fill(~valid[..., None], 0) for tensor in (key, value))
    if query_valid is not None:
        query = query.masked_fill(~query_valid[..., None], 0)
    key, value = key.view_as(key), value.view_as(value)  # Dynamo refuses one tensor in several places of a Function
    result: Tensor = _ExpectedAttention.apply(query, key, value, code_length)
    return result if query_valid is None else result.masked_fill(~query_valid[..., None], 0)


@torch.library.custom_op("sampleformer::expected_attention", mutates_args=())
def _expected_attention(query: Tensor, key: Tensor, value: Tensor, code_length: int) -> Tensor:
    dtype = wide_dtype(query, key, value)
    queries, keys, values = (tensor.detach().to(dtype).flatten(0, 1) for tensor in (query, key, value))
    result = values.new_empty(*queries.shape[:2], values.shape[-1])
    with without_autocast(query):
        for rows, block in _blocks(queries, keys):
            weight = _probability(queries[rows, block] @ keys[rows].transpose(1, 2), code_length)
            result[rows, block] = weight @ values[rows]
    return result.view(*query.shape[:3], value.shape[-1]).to(value.dtype)


@_expected_attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, code_length: int) -> Tensor:
    return value.new_empty((*query.shape[:3], value.shape[-1]))


@torch.library.custom_op("sampleformer::expected_attention_backward", mutates_args=())
def _expected_attention_backward(
    query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = wide_dtype(query, key, value, gradient)
    inputs = (query, key, value, gradient)
    queries, keys, values, gradients = (tensor.detach().to(dtype).flatten(0, 1) for tensor in inputs)
    of_queries, of_keys, of_values = (tensor.new_zeros(tensor.shape) for tensor in (queries, keys, values))
    with without_autocast(query):
        for rows, block in _blocks(queries, keys):
            weight = _probability(queries[rows, block] @ keys[rows].transpose(1, 2), code_length)
            of_values[rows] += weight.transpose(1, 2) @ gradients[rows, block]
            weight *= gradients[rows, block] @ values[rows].transpose(1, 2)
            weight *= code_length / 2
            of_queries[rows, block] = weight @ keys[rows]
            of_keys[rows] += weight.transpose(1, 2) @ queries[rows, block]
    return (
        of_queries.view(query.shape).to(query.dtype),
        of_keys.view(key.shape).to(key.dtype),
        of_values.view(value.shape).to(value.dtype),
    )


@_expected_attention_backward.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


for _operator in (_expected_attention, _expected_attention_backward):
    _operator.register_vmap(folded(_operator))


class _ExpectedAttention(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor, code_length: int) -> Tensor:
        return torch.ops.sampleformer.expected_attention(query, key, value, code_length)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.code_length = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        return *expected_gradients(query, key, value, gradient, ctx.code_length), None


def expected_gradients(
    query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients that `expected_attention` has for query, key and value; they are differentiable themselves.

    Args:
        query, key, value, code_length: as there.
        gradient: g, of the result.
    """
    found: tuple[Tensor, Tensor, Tensor] = _ExpectedGradients.apply(query, key, value, gradient, code_length)
    return found


class _ExpectedGradients(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.ops.sampleformer.expected_attention_backward(query, key, value, gradient, code_length)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.code_length = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *of_gradients: Tensor) -> tuple[Tensor | None, ...]:
        def again(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
            return _of_all_pairs(query, key, value, gradient, ctx.code_length)

        pull_back = torch.func.vjp(again, *ctx.saved_tensors)[1]
        return *pull_back(of_gradients), None


def _of_all_pairs(
    query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, code_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = wide_dtype(query, key, value, gradient)
    with without_autocast(query):
        queries, keys, values, gradients = (tensor.to(dtype) for tensor in (query, key, value, gradient))
        weight = collision_probability(queries @ keys.mT, code_length)
        of_cosine = weight * (gradients @ values.mT) * (code_length / 2)
        found = (of_cosine @ keys, of_cosine.mT @ queries, weight.mT @ gradients)
    return found[0].to(query.dtype), found[1].to(key.dtype), found[2].to(value.dtype)


def _blocks(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows (samples and heads) and queries that are worked on together: all of some rows, or some of one row."""
    numbers = NUMBERS_PER_BLOCK if queries.device.type == "cpu" else NUMBERS_PER_BLOCK_ELSEWHERE
    rows, length = queries.shape[:2]
    together = max(1, numbers // max(1, keys.shape[1]))
    rows_together = max(1, together // max(1, length))
    for row in range(0, rows, rows_together):
        for start in range(0, length, together):
            yield slice(row, row + rows_together), slice(start, start + together)
