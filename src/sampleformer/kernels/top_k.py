"""Choosing k of n tokens in one go: noise, mask and selection.

Floor, for a row of n scores: read them, the noise and the mask once, ``9 n`` bytes, and write k indices. The kernel
keeps the sum as a key of 4 bytes, which it writes once and, in rows of more than 1024, reads five times: three times to
count one more digit, of which four give the last key chosen, and twice to write the chosen ones down in the order of
the tokens. That is ``33 n`` bytes, all in streams, and what comes after the first ``13 n`` mostly from the cache. The
chosen ones are ranked by comparing each with each, k² comparisons.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional import sampling as plain
from sampleformer.kernels.availability import unavailable, use_triton

LONGEST = 2**20
"""The longest row that the kernel takes."""
LARGEST = 2048
"""The largest k that the kernel takes: k tokens and the next k of the training pass, at k = 1024."""


def gumbel_topk(
    scores: Float[Tensor, "*rows n"],
    k: int,
    *,
    noise: Float[Tensor, "*rows n"] | None = None,
    mask: Bool[Tensor, "*rows n"] | None = None,
    kernel: str = "auto",
) -> tuple[Int64[Tensor, "*rows m"], Bool[Tensor, "*rows m"] | None]:
    """`functional.sampling.gumbel_topk`, fused with the noise and the mask.

    Which tokens are chosen, and their order, are the same to the last; the masked ones come in the order of their
    index, after one whose score is minus infinity.

    Args:
        scores, k, noise, mask: as there.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``, see `use_triton`. The kernel takes float32, up to 2^20 tokens
            and k up to 2048.

    Raises:
        ValueError: as there, and if the kernel is ``"triton"`` and cannot run.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> gumbel_topk(torch.tensor([0.1, 3.0, 2.0, 3.0]), 3)[0]
        tensor([1, 3, 2])
    """
    refused = k < 1 or scores.dtype in (torch.float16, torch.bfloat16)
    if refused or not use_triton(kernel, _reason(scores, k, noise, mask)):
        return plain.gumbel_topk(scores, k, noise=noise, mask=mask)
    from sampleformer.kernels import top_k_operators  # noqa: F401 (defines the operator)

    length = scores.shape[-1]
    indices, valid = torch.ops.sampleformer.gumbel_topk(
        _by_group(scores.detach()),
        None if noise is None else _by_group(noise.detach()),
        None if mask is None else _by_group(mask),
        min(k, length),
    )
    shape = (*scores.shape[:-1], indices.shape[-1])
    return indices.reshape(shape), None if mask is None else valid.reshape(shape)


def _reason(scores: Tensor, k: int, noise: Tensor | None, mask: Tensor | None) -> str | None:
    if scores.shape[-1] > LONGEST:
        return f"a row has {scores.shape[-1]} tokens, expected at most {LONGEST}"
    if min(k, scores.shape[-1]) > LARGEST:
        return f"k is {k}, expected at most {LARGEST}"
    return unavailable(*(tensor for tensor in (scores, noise, mask) if tensor is not None))


def _by_group(rows: Tensor) -> Tensor:
    # Two dimensions before the tokens, so that a mask that all groups share is read where it is.
    return rows if rows.dim() == 3 else rows.reshape(1, math.prod(rows.shape[:-1]), rows.shape[-1])
