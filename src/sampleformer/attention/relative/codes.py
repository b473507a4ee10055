"""Sequences: relative features made of the sinusoidal codes of two positions."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.attention.relative.base import PairTerms, Relative, gathered
from sampleformer.attention.samplers.choice import Choice
from sampleformer.distributed.over_shards import places
from sampleformer.functional.relative import (
    concatenation_terms,
    offset_terms,
    product_terms,
    sinusoidal_code,
    sinusoidal_rates,
)
from sampleformer.tokens import Tokens


class CodeRelative(Relative):
    """Base of those that compare sinusoidal codes of positions; tokens without positions are counted 0, 1, 2, …

    A subclass says in `term` how. A code has a sine and a cosine for each of c frequencies, from one radian a position
    down to ``1 / 10000``.

    Args:
        heads: h.
        frequencies: c.

    Attributes:
        multiple: Features of a pair, as a multiple of c.

    Raises:
        ValueError: if the heads or the frequencies are not positive.
    """

    invariant = True
    order_sensitive = True
    multiple: ClassVar[int]

    def __init__(self, heads: int, *, frequencies: int = 16) -> None:
        if frequencies < 1:
            raise ValueError(f"frequencies is {frequencies}, expected at least 1")
        super().__init__(heads, self.multiple * frequencies)
        self.frequencies = frequencies

    def code(self, tokens: Tokens) -> Float[Tensor, "b n f"]:
        """Code of each token's position, in float32 or wider."""
        device, dtype = tokens.features.device, torch.promote_types(self.additive.dtype, torch.float32)
        positions = tokens.positions
        if positions is None:
            positions = places(tokens.length, device).expand(tokens.batch, -1)
        return sinusoidal_code(positions, sinusoidal_rates(self.frequencies, device=device, dtype=dtype))

    def terms(self, tokens: Tokens, context: Tokens, choice: Choice) -> PairTerms:
        """Both terms, see `Relative.terms`."""
        chosen = choice.mixed(gathered(self.code(context), choice.indices))

        def make(code: Tensor) -> tuple[Tensor, Tensor]:
            return self.both(lambda weight: self.term(code, chosen, weight))

        return PairTerms((self.code(tokens),), make)

    @staticmethod
    def term(
        code: Float[Tensor, "b n f"], chosen: Float[Tensor, "b g k f"], weight: Float[Tensor, "h c"]
    ) -> Float[Tensor, "b h n k"]:
        """One term of the codes of queries and of what the slots hold."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, frequencies={self.frequencies}"


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

    multiple = 2
    term = staticmethod(offset_terms)


class SinusoidalConcatRelative(CodeRelative):
    """Terms of the codes of both positions, side by side: a sum of what each place adds by itself.

    ``r_ij = [code_i ; code_j]`` with the code ``[sin(ω_c p), cos(ω_c p)]`` of a position p.

    Args:
        heads: h.
        frequencies: c; a pair has 4c features.

    Raises:
        ValueError: if the heads or the frequencies are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8))
        >>> multiplicative, additive = SinusoidalConcatRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    multiple = 4
    term = staticmethod(concatenation_terms)


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

    multiple = 2
    term = staticmethod(product_terms)
