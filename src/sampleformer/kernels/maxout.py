"""Attention by scores, with a kernel for Maxout scores: no tensor of n·k numbers is made.

A pass goes over blocks of keys. The forward keeps, for each query, its result and its denominator; the backward makes
the scores again, once for the gradients of the queries and once for those of the keys, each summed up by the program
that owns them, or in a fixed number of parts that are added in order: no sum depends on which program came first.

The floor, with e channels of keys and of values. A pair of a query and a key takes forward 2·e instructions of vector
units (a maximum and an addition for each channel; no tensor core can do them) and 2·e operations of tensor cores.
Backward, each side takes 7·e instructions: the score again, the product of value and gradient, and a subtraction, two
bounds and a product for the signs that the gradient of a maximum is made of; and the values 2·e operations of tensor
cores. In all 16·n·k·e instructions for a training step. Bytes: queries, keys, values and results once forward, three
times in all with the backward, and twice more in float32 with the channels first, which is how a warp reads them side
by side; relative terms, if there are any, are 2 numbers a pair read forward, 6 read or written backward. With k = 256
that is 1 024 instructions forward for each number of a query and its result: arithmetic is the bound, not memory.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional import scored
from sampleformer.kernels.availability import unavailable, use_triton

KERNEL_SCORES = ("maxout",)
"""The scores that there is a kernel for."""


def scored_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    valid: Bool[Tensor, "b #h k"] | None = None,
    *,
    leak: Float[Tensor, "b h k"] | None = None,
    terms: tuple[Float[Tensor, "b h n k"], Float[Tensor, "b h n k"]] | None = None,
    presence: Float[Tensor, "b #h k"] | None = None,
    score: str = "maxout",
    probability: str = "leaky_relu",
    kernel: str = "auto",
) -> Float[Tensor, "b h n c"]:
    """`functional.scored.scored_attention`, by a Triton kernel where there is one and it can run.

    Args:
        query, key, value, valid, leak, terms, presence, score, probability: as of the plain function.
        kernel: see `kernels.use_triton`.

    Raises:
        InputError: if the kernel is ``"triton"`` and cannot run.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> query, key, value = torch.ones(3, 1, 1, 2, 8)
        >>> scored_attention(query, key, value, leak=torch.full((1, 1, 2), -30.0), kernel="plain").sum(-1)
        tensor([[[8., 8.]]])
    """
    if score in KERNEL_SCORES or kernel == "triton":
        others = [tensor for tensor in (valid, leak, *(terms or ())) if tensor is not None]
        reason = unavailable(query, key, value, *others, widths=(query.shape[3], value.shape[3]))
        if score not in KERNEL_SCORES:
            reason = f"the score is {score!r}, expected {', '.join(map(repr, KERNEL_SCORES))}"
        elif reason is None and presence is not None:
            reason = "keys count more or less than once"
        if use_triton(kernel, reason):
            return _by_kernel(query, key, value, valid, leak, terms, probability)
    return scored.scored_attention(
        *(query, key, value, valid),
        leak=leak,
        terms=terms,
        presence=presence,
        score=score,
        probability=probability,
    )


def _by_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor | None,
    leak: Tensor | None,
    terms: tuple[Tensor, Tensor] | None,
    probability: str,
) -> Tensor:
    from sampleformer.kernels import maxout_operators  # noqa: F401 (defines the operator)

    batch, heads, keys, _ = key.shape
    valid = None if valid is None else valid.expand(batch, heads, keys)
    relu = probability == "leaky_relu"
    result: Tensor = torch.ops.sampleformer.maxout_attention(
        query, key, value, valid, _escape(leak, valid, key, probability), *(terms or (None, None)), relu
    )[0]
    return result


def _escape(leak: Tensor | None, valid: Tensor | None, key: Tensor, probability: str) -> Tensor:
    """What leaks add to every denominator of a head, (b, h); without relu the logarithm of it."""
    if probability == "softmax":
        return key.new_full(key.shape[:2], -torch.inf, dtype=torch.float32)
    if leak is None:
        raise ValueError("leak is None, expected one logit for each slot: this probability leaks")
    leak = leak.float() if valid is None else leak.float().masked_fill(~valid, -torch.inf)
    return F.softplus(leak).sum(-1) if probability == "leaky_relu" else leak.logsumexp(-1)
