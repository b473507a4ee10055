"""Queries and keys of one call, as mixings get them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.tokens import Tokens


@dataclass(frozen=True)
class Queries:
    """Tokens that attend.

    Args:
        q: Query of each head, shape ``(b, h, n, e)``. Of padded tokens it may be any finite number.
        mask: True where the token is real, shape ``(b, n)``. None: all are. A result at a padded token does not matter;
            statistics over queries must leave it out.
        tokens: Tokens themselves, with their edges and coordinates. A `blockwise` mixing gets the queries of some of
            them, and all tokens each time. None: unknown.

    Example:
        >>> import torch
        >>> Queries(torch.zeros(1, 2, 5, 4)).mask is None
        True
    """

    q: Float[Tensor, "b h n e"]
    mask: Bool[Tensor, "b n"] | None = None
    tokens: Tokens | None = None


@dataclass(frozen=True)
class Keys:
    """Tokens, or mixtures of tokens, that are attended to.

    Args:
        k: Key of each head, shape ``(b, h, k, e)``.
        v: Value of each head, shape ``(b, h, k, e)``.
        valid: False where a key is none, shape ``(b, 1, k)`` or ``(b, h, k)``. None: all are keys.
        weights: How often each key counts, shape ``(b, 1, k)`` or ``(b, h, k)``: its attention weight is multiplied by
            it before attention weights are made to sum to one. A key that counts zero times changes nothing, but its
            weight has a gradient: what would change if it were there. None: each counts once.
        counting: Number of keys, from the first on, that count at all. None: the weights alone say it.
        sink: Logits of the attention sink, one for each key, shape ``(b, h, k)``, for a mixing that `leaks`: a learned
            function of the token, to the good of attending to none. None: nothing leaks.
        places: Place of each token in the sequence, shape ``(b, k)``, rising, for a mixing that is `joining`; the
            queries are those of the same tokens. Samples that stand one after the other are far apart. None: the place
            is that in the tensor.

    Example:
        >>> import torch
        >>> Keys(*torch.zeros(2, 1, 2, 3, 4)).valid is None
        True
    """

    k: Float[Tensor, "b h k e"]
    v: Float[Tensor, "b h k e"]
    valid: Bool[Tensor, "b #h k"] | None = None
    weights: Float[Tensor, "b #h k"] | None = None
    counting: int | None = None
    sink: Float[Tensor, "b h k"] | None = None
    places: Int64[Tensor, "b k"] | None = None

    def split(self, samples: Sequence[int]) -> list["Keys"]:
        """The keys of so many samples each, one after the other."""
        parts = [
            [given] * len(samples) if given is None or isinstance(given, int) else given.split(list(samples))
            for given in (getattr(self, each.name) for each in fields(self))
        ]
        return [Keys(*part) for part in zip(*parts, strict=True)]
