"""Attention by collisions of sampled hashes: the value through tables, the gradients through tables of matrices."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sampleformer.distributed.token_shards import current_shard, within
from sampleformer.functional.bernoulli.buckets import outer_over_collisions, sum_over_collisions
from sampleformer.functional.bernoulli.checks import check_code_length, wide_dtype
from sampleformer.functional.bernoulli.codes import sign_codes
from sampleformer.functional.bernoulli.expected import expected_gradients
from sampleformer.functional.bernoulli.pairs import are_cheaper, outer_over_pairs
from sampleformer.tracing import folded, without_autocast

GRADIENTS = ("sampled", "exact")


def bernoulli_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    planes: Float[Tensor, "m e t"],
    valid: Bool[Tensor, "b #h k"] | None = None,
    query_valid: Bool[Tensor, "b #h n"] | None = None,
    gradient: str = "sampled",
) -> Float[Tensor, "b h n c"]:
    """Values added up where hashes collide, not normalised: ``out_i = 1/m Σ_hash Σ_j [hash(q_i) = hash(k_j)] v_j``.

    With Gaussian planes an unbiased estimate of `expected_attention` in O(n·m·c): see `collision_attention`, which this
    is with the codes of `sign_codes`.

    Args:
        query: of unit length, which only the gradient depends on.
        key: of unit length.
        value: what is added up.
        planes: of m hashes of t signs, shared by all samples and heads.
        valid: False at keys that do not count. None: all count.
        query_valid: False at queries whose result is zero. None: all count.
        gradient: ``"sampled"`` or ``"exact"``: where query's and key's gradients take the weights from.

    Raises:
        ValueError: if the gradient is unknown, the planes are not for vectors of this width, there are none, or t is
            not between 1 and 16.

    Source: YOSO (arXiv 2111.09714), section 3.

    Example:
        >>> query, value = torch.eye(2)[None, None], torch.tensor([[[[1.0], [2.0]]]])
        >>> bernoulli_attention(query, query, value, torch.eye(2)[None]).flatten()
        tensor([1., 2.])
    """
    query_codes, key_codes = sign_codes(query, planes), sign_codes(key, planes)
    code_length = planes.shape[-1]
    return collision_attention(
        query, key, value, query_codes, key_codes, code_length, valid, query_valid, gradient=gradient
    )


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
) -> Float[Tensor, "b h n c"]:
    """`bernoulli_attention` of codes that are known: ``out_i = Σ_j ĉ_ij v_j``, ĉ the share of hashes that collide.

    Each hash has a table of 2^t rows: every value is added to its key's row, every query reads its own. There is no
    (n, k) matrix. Value's gradient is the same sum with the roles exchanged. Those of query and key are surrogates,
    ``dq_i = Σ_j (g_i · v_j) (t / 2) ĉ_ij k_j`` and ``dk_j = Σ_i (g_i · v_j) (t / 2) ĉ_ij q_i``, through one e×c matrix
    a bucket, in O((n + k)·m·e·c) however many keys share one; pair by pair where that takes less time, which for 16
    hashes of 9 signs and heads of 32 is up to some 3 000 tokens. A second derivative is that of these formulas.

    Args:
        query: of unit length, which only the gradient depends on.
        key: of unit length.
        value: what is added up.
        query_codes: one for each hash, from 0 to 2^t - 1.
        key_codes: the same for the keys.
        code_length: t, 1 to 16.
        valid: False at keys that do not count; they are never added to a table. None: all count.
        query_valid: False at queries whose result is zero. None: all count.
        gradient: ``"sampled"``, or ``"exact"``: query's and key's gradients with the probability of a collision in
            place of ĉ, in O(n·k), for checking.

    Returns:
        In the dtype of the value; sums run in float32 or wider. Zero where nothing collides. The same input always
        gives the same bits.

    Raises:
        ValueError: if the gradient is unknown, there are no hashes, or the code length is not between 1 and 16.

    Source: YOSO (arXiv 2111.09714), sections 3.1 to 3.3.
    """
    check_collisions(gradient, code_length, query_codes.shape[-2])
    query_codes = barred(query_codes, query_valid, code_length)
    key_codes = barred(key_codes, valid, code_length)
    key, value = key.view_as(key), value.view_as(value)  # Dynamo refuses one tensor in several places of a Function
    result: Tensor = _CollisionAttention.apply(
        query, key, value, query_codes, key_codes, code_length, gradient == "exact"
    )
    return result


def check_collisions(gradient: str, code_length: int, hashes: int) -> None:
    """What `collision_attention` refuses.

    Raises:
        ValueError: if the gradient is unknown, there are no hashes, or the code length is not between 1 and 16.
    """
    if gradient not in GRADIENTS:
        raise ValueError(f"gradient is {gradient!r}, expected 'sampled' or 'exact'")
    check_code_length(code_length)
    if hashes < 1:
        raise ValueError("hashes is 0, expected at least 1")


def barred(codes: Tensor, valid: Tensor | None, code_length: int) -> Tensor:
    """Codes ``(b, h, m, n)`` with the number past the last bucket's, which means in none, where valid is False."""
    return codes if valid is None else codes.masked_fill(~valid[:, :, None, :], 2**code_length)


@torch.library.custom_op("sampleformer::bernoulli_sum", mutates_args=())
def _bernoulli_sum(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int) -> Tensor:
    """The mean over the hashes of `sum_over_collisions`, for samples and heads."""
    wide = values.detach().to(wide_dtype(values)).flatten(0, 1)
    result = sum_over_collisions(read_codes.flatten(0, 1), write_codes.flatten(0, 1), wide, buckets)
    result /= read_codes.shape[2]
    return result.view(*read_codes.shape[:2], *result.shape[1:]).to(values.dtype)


@_bernoulli_sum.register_fake
def _(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int) -> Tensor:
    return values.new_empty((*values.shape[:2], read_codes.shape[-1], values.shape[-1]))


@torch.library.custom_op("sampleformer::bernoulli_outer", mutates_args=())
def _bernoulli_outer(
    query_codes: Tensor, key_codes: Tensor, query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, buckets: int
) -> tuple[Tensor, Tensor]:
    """The mean over the hashes of `outer_over_collisions`, for samples and heads; short inputs go pair by pair."""
    inputs = (query, key, value, gradient)
    dtype = wide_dtype(*inputs)
    with without_autocast(query):
        q, k, v, g = (tensor.detach().to(dtype).flatten(0, 1) for tensor in inputs)
        codes = (query_codes.flatten(0, 1), key_codes.flatten(0, 1))
        by_pairs = current_shard() is None and are_cheaper(*codes, q, v, buckets)  # other ranks' pairs are unknown
        outer = outer_over_pairs if by_pairs else outer_over_collisions
        of_query, of_key = outer(*codes, q, k, v, g, buckets)
    hashes = query_codes.shape[2]
    return (of_query / hashes).view(query.shape).to(query.dtype), (of_key / hashes).view(key.shape).to(key.dtype)


@_bernoulli_outer.register_fake
def _(
    query_codes: Tensor, key_codes: Tensor, query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, buckets: int
) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape)


for _operator in (_bernoulli_sum, _bernoulli_outer):
    _operator.register_vmap(folded(_operator))


class _CollisionAttention(torch.autograd.Function):
    """A sum over collisions, with gradients for query and key, which only decide what collides."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        query: Tensor, key: Tensor, value: Tensor, query_codes: Tensor, key_codes: Tensor, code_length: int, exact: bool
    ) -> Tensor:
        return torch.ops.sampleformer.bernoulli_sum(query_codes, key_codes, value, 2**code_length)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.code_length, ctx.exact = inputs
        ctx.shard = current_shard()
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, query_codes, key_codes = ctx.saved_tensors
        buckets = 2**ctx.code_length
        of_query = of_key = of_value = None
        with within(ctx.shard):  # the backward pass may come after the context
            if ctx.needs_input_grad[2]:
                of_value = _Sum.apply(key_codes, query_codes, gradient, buckets).to(value.dtype)
            if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
                if ctx.exact:
                    # What is in no bucket must not count here either.
                    no_query, no_key = ((codes[:, :, 0] == buckets)[..., None] for codes in (query_codes, key_codes))
                    query, gradient = query.masked_fill(no_query, 0), gradient.masked_fill(no_query, 0)
                    key, value = key.masked_fill(no_key, 0), value.masked_fill(no_key, 0)
                    of_query, of_key, _ = expected_gradients(query, key, value, gradient, ctx.code_length)
                else:
                    pair = _Outer.apply(query_codes, key_codes, query, key, value, gradient, buckets)
                    of_query, of_key = (tensor * (ctx.code_length / 2) for tensor in pair)
        return of_query, of_key, of_value, None, None, None, None


class _Sum(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int) -> Tensor:
        return torch.ops.sampleformer.bernoulli_sum(read_codes, write_codes, values, buckets)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        read_codes, write_codes, _, ctx.buckets = inputs
        ctx.shard = current_shard()
        ctx.save_for_backward(read_codes, write_codes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        read_codes, write_codes = ctx.saved_tensors
        with within(ctx.shard):
            return None, None, _Sum.apply(write_codes, read_codes, gradient, ctx.buckets), None


class _Outer(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        query_codes: Tensor,
        key_codes: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        gradient: Tensor,
        buckets: int,
    ) -> tuple[Tensor, Tensor]:
        return torch.ops.sampleformer.bernoulli_outer(query_codes, key_codes, query, key, value, gradient, buckets)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.buckets = inputs
        ctx.shard = current_shard()
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, of_query: Tensor, of_key: Tensor) -> tuple[Tensor | None, ...]:
        # Of Σ_ij ĉ_ij (g_i·v_j) (k_j·a_i + q_i·b_j), a and b being what comes back: linear in each of its vectors.
        query_codes, key_codes, query, key, value, gradient = ctx.saved_tensors

        def outer(*vectors: Tensor) -> tuple[Tensor, Tensor]:
            with within(ctx.shard):
                found: tuple[Tensor, Tensor] = _Outer.apply(query_codes, key_codes, *vectors, ctx.buckets)
            return found

        second_query, second_key = outer(of_query, of_key, value, gradient)
        of_keys, of_queries = outer(gradient, value, key, of_query), outer(gradient, value, of_key, query)
        second_gradient, second_value = (one + other for one, other in zip(of_keys, of_queries, strict=True))
        return None, None, second_query, second_key, second_value, second_gradient, None
