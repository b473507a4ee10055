"""What every mixing is."""

import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.attention.mixings.records import Keys, Queries
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

    order_sensitive: bool = False
    """Whether it depends on the order of the tokens."""

    self_only: bool = False
    """Whether queries and keys must be the same tokens."""

    blockwise: bool = True
    """Whether queries may come in blocks, each with all keys, at no extra cost.

    False for statistics over all queries, and where `Queries.tokens` are looked at by their index.
    """

    joining: bool = False
    """Whether it takes `Keys.places`, so that tokens of several samples may stand one after the other."""

    sharded: bool = False
    """Whether it exchanges what it needs where ranks share the tokens (`token_parallel`), and gets their own keys.

    False: it gets all keys that there are to attend to.
    """

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
        queries: Queries,
        keys: Keys,
        bias: tuple[Float[Tensor, "b h n k"], Float[Tensor, "b h n k"]] | None = None,
        noise: Tensor | None = None,
    ) -> Float[Tensor, "b h n e"]:
        """Mixes; zeros where a query has no valid key.

        Args:
            queries: Tokens that attend.
            keys: Tokens attended to; with a sink if the mixing `leaks`.
            bias: Pair bias, if the mixing `relates`: the logit is multiplied by softplus of the first, then the second
                is added. None: there is none.
            noise: Random numbers of this training pass. None in evaluation.
        """
        raise NotImplementedError
