"""Attention by collisions of known codes: the value, and the sampled or exact gradients."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sampleformer.functional import bernoulli as plain
from sampleformer.functional.bernoulli.sampled import barred, check_collisions
from sampleformer.kernels.availability import check_kernel, unavailable, use_triton
from sampleformer.kernels.bernoulli import expected, pairs, sums  # noqa: F401 (defines their operators)


def collision_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    query_codes: Int32[Tensor, "b h m n"],
    key_codes: Int32[Tensor, "b h m k"],
    code_length: int,
    valid: Bool[Tensor, "b #h k"] | None = None,
    query_valid: Bool[Tensor, "b #h n"] | None = None,
    gradient: str = "sampled",
    kernel: str = "auto",
    deterministic: bool = True,
) -> Float[Tensor, "b h n c"]:
    """`functional.bernoulli.collision_attention`: ``out_i = 1/m Σ_hash Σ_j [code_i = code_j] v_j``.

    Keys are sorted by code; each bucket's values are added up in their order, and each query reads its buckets. Value's
    gradient is the same with the roles exchanged. For those of query and key, blocks of queries in the order of their
    codes meet the keys with the same codes, and there is no matrix of pairs, nor one of a bucket. The same input always
    gives the same bits.

    Args:
        query, key, value, query_codes, key_codes, code_length, valid, query_valid, gradient: as there.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``.
        deterministic: False lets the kernels add with atomics, in any order: the values are not sorted then, and
            hashes do not wait for each other. It changes nothing about the plain function, nor while
            `torch.use_deterministic_algorithms` is on.

    Raises:
        ValueError: as there, and if the kernel is unknown or cannot run.

    Source: YOSO (arXiv 2111.09714), sections 3.1 to 3.3.

    Example:
        >>> query, value = torch.eye(8)[None, None], torch.ones(1, 1, 8, 8)
        >>> codes = torch.arange(8, dtype=torch.int32).view(1, 1, 1, 8) // 2
        >>> collision_attention(query, query, value, codes, codes, 2)[0, 0, 0, :3]
        tensor([2., 2., 2.])
    """
    check_kernel(kernel)
    reason = unavailable(query, key, value, query_codes, key_codes, widths=(query.shape[-1], value.shape[-1]))
    if not use_triton(kernel, reason):
        return plain.collision_attention(
            query, key, value, query_codes, key_codes, code_length, valid, query_valid, gradient
        )
    check_collisions(gradient, code_length, query_codes.shape[-2])
    query_codes = barred(query_codes, query_valid, code_length)
    key_codes = barred(key_codes, valid, code_length)
    return torch.ops.sampleformer.bernoulli_attention_triton(
        query,
        key,
        value,
        query_codes,
        key_codes,
        code_length,
        gradient == "exact",
        deterministic or torch.are_deterministic_algorithms_enabled(),
    )


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
