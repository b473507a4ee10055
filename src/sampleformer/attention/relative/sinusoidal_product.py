"""Sequences: how alike the codes of two places are."""

from torch import Tensor

from sampleformer.attention.relative.codes import CodeRelative
from sampleformer.functional.relative import product_terms


class SinusoidalProductRelative(CodeRelative):
    """Terms of the Hadamard product of the codes of both positions.

    ``r_ij = code_i ⊙ code_j`` with the code ``[sin(ω_c p), cos(ω_c p)]`` of a position p.

    Args:
        heads: h.
        frequencies: c; a pair has 2c features.

    Raises:
        ValueError: if the heads or the frequencies are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8))
        >>> multiplicative, additive = SinusoidalProductRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    def __init__(self, heads: int, *, frequencies: int = 16) -> None:
        super().__init__(heads, 2, frequencies)

    def term(self, code: Tensor, chosen: Tensor, weight: Tensor) -> Tensor:
        """One term, see `CodeRelative.term`."""
        return product_terms(code, chosen, weight)
