"""What every mixing is."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.modules import Module
from sampleformer.tokens import Tokens


class Mixing(Module):
    """Gives each query a combination of the values, by how its vector meets the keys.

    A subclass writes `forward` and says with class attributes what it wants.
    """

    leaks: bool = False
    """Whether it needs a leak logit for each key: a learned function of the token, to the good of attending to none."""

    relates: bool = False
    """Whether it takes relative terms of pairs."""

    standardised: bool = False
    """Whether queries and keys should start with mean 0 and variance 1: its score is made for such numbers."""

    blockwise: bool = True
    """Whether queries may come in blocks, each with all keys, at no extra cost."""

    def draw_noise(self, tokens: Tokens, generator: torch.Generator | None = None) -> Tensor | None:
        """The random numbers of one training pass, one tensor; None if there are none."""
        return None

    def numbers_per_query(self, keys: int, *, related: bool = False) -> int:
        """How many numbers a query and head have at the widest while they are mixed with so many keys.

        Args:
            keys: k.
            related: whether there are relative terms.
        """
        return 0

    def forward(
        self,
        query: Float[Tensor, "b h n e"],
        key: Float[Tensor, "b h k e"],
        value: Float[Tensor, "b h k e"],
        valid: Bool[Tensor, "b #h k"] | None,
        *,
        leak: Float[Tensor, "b h k"] | None = None,
        terms: tuple[Float[Tensor, "b h n k"], Float[Tensor, "b h n k"]] | None = None,
        presence: Float[Tensor, "b #h k"] | None = None,
        present: int | None = None,
        noise: Tensor | None = None,
    ) -> Float[Tensor, "b h n e"]:
        """Mixes; zeros where a query has no valid key.

        Args:
            query: of the tokens that attend.
            key: of what they attend to.
            value: of what they attend to.
            valid: False where a key is none. None: all are keys.
            leak: if `leaks`.
            terms: if `relates`, what the place of a pair adds: the logit is multiplied by softplus of the first, then
                the second is added.
            presence: how often each key counts: its weight is multiplied by it before weights are made to sum to one. A
                key that counts zero times changes nothing, but its presence has a gradient: what would change if it
                were there. None: each counts once.
            present: how many of the keys, from the first on, count at all. None: presence alone says it.
            noise: of this training pass; None in evaluation.
        """
        raise NotImplementedError
