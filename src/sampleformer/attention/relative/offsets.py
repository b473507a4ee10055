"""Sequences: how far one token is from the other."""

from torch import Tensor

from sampleformer.attention.relative.codes import CodeRelative
from sampleformer.functional.relative import offset_terms


class OffsetRelative(CodeRelative):
    """Terms of the offset of two tokens of a sequence: the same for all pairs that are as far apart.

    ``r_ij = [sin(ω_c (p_i − p_j)), cos(ω_c (p_i − p_j))]``, from the codes of both positions by the addition theorem.

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
        >>> multiplicative, additive = OffsetRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    def __init__(self, heads: int, *, frequencies: int = 16) -> None:
        super().__init__(heads, 2, frequencies)

    def term(self, code: Tensor, chosen: Tensor, weight: Tensor) -> Tensor:
        """One term, see `CodeRelative.term`."""
        return offset_terms(code, chosen, weight)
