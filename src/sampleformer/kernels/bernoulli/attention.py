"""Attention by collisions of known codes: the value, and the sampled or exact gradients."""

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sampleformer.distributed.token_shards import current_shard
from sampleformer.functional import bernoulli as plain
from sampleformer.functional.bernoulli.sampled import barred, check_collisions
from sampleformer.kernels.availability import check_kernel, unavailable, use_triton


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
    if current_shard() is not None:
        reason = "ranks share the tokens, and add up their tables"
    if not use_triton(kernel, reason):
        return plain.collision_attention(
            query, key, value, query_codes, key_codes, code_length, valid, query_valid, gradient
        )
    from sampleformer.kernels.bernoulli import attention_operators  # noqa: F401 (defines the operator)

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
