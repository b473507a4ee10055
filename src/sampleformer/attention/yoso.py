"""YOSO: attention by hash collisions instead of scores."""

from torch import nn

from sampleformer.attention.base import Attention, check_heads
from sampleformer.attention.mixings import BernoulliMixing


class YosoAttention(Attention):
    """Attention of all tokens over all tokens, weighted by collisions of m random hashes: cost O(n·m).

    Everything with a `BernoulliMixing`: ``out_i = normalize(1/m Σ_hash Σ_j [hash(q_i) = hash(k_j)] v_j)``, YOSO-m in
    the publication; without hashes its expectation, YOSO-E, in O(n²) time.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        hashes: m; None: the expectation.
        code_length: τ, bits of a code, 1 to 16; about ``log2(n / 32)`` keeps 32 tokens to a code.
        hashing: ``"gaussian"`` or ``"hadamard"``.
        gradient: of queries and keys: ``"sampled"`` or ``"exact"``, the latter O(n²).
        convolution: odd window of a depthwise convolution over the values, published: 33 to 35; None: none.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``: whether Triton's kernels run where they can, never or always.
        deterministic: False lets them add in any order, which is faster.
        norm: applied to the features before the projections.
        bias: whether the projections have one.

    Raises:
        ValueError: if an argument is outside what it allows, see `BernoulliMixing`; and as `Attention`.

    Source: YOSO (arXiv 2111.09714), sections 3 and 4.

    Example:
        >>> import torch
        >>> from sampleformer import Tokens
        >>> YosoAttention(8, 2, hashes=4)(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        hashes: int | None = 16,
        code_length: int = 9,
        hashing: str = "gaussian",
        gradient: str = "sampled",
        convolution: int | None = None,
        kernel: str = "auto",
        deterministic: bool = True,
        norm: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        check_heads(width, heads)
        mixing = BernoulliMixing(
            heads,
            width // heads,
            hashes=hashes,
            code_length=code_length,
            hashing=hashing,
            gradient=gradient,
            convolution=convolution,
            kernel=kernel,
            deterministic=deterministic,
        )
        super().__init__(width, heads, mixing=mixing, norm=norm, bias=bias)
