"""What every function of relative features is."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sampleformer.attention.samplers.choice import Choice
from sampleformer.modules import Module
from sampleformer.tokens import Tokens

CARRIERS = {"coordinates": "point clouds", "normals": "point clouds with normals", "edges": "graphs"}
"""What kind of data has each field of `Tokens` that relative features may need."""


@dataclass(frozen=True)
class PairTerms:
    """Terms of queries and the slots that they see, made for as many queries at a time as one likes.

    Args:
        of_queries: what is needed of the queries, each ``(b, n, …)``.
        make: takes these, of some of the queries or of all, and gives the multiplicative and the additive terms,
            ``(b, h, n, k)`` each.
    """

    of_queries: tuple[Tensor, ...]
    make: Callable[..., tuple[Tensor, Tensor]]


class Relative(Module):
    """Two learned linear maps, for each head, of the features ``r_ij`` that relate a query i to a chosen token j.

    The terms are ``w_h · r_ij``, which multiplies the score of the pair (through a softplus, which is the caller's to
    take, so that the terms stay linear in ``r_ij``), and ``u_h · r_ij``, which is added to it. A subclass says in
    `terms` what relates the two, and with class attributes what it needs.

    Args:
        heads: h.
        features: f, of ``r_ij``.

    Raises:
        ValueError: if the heads or the features are not positive.

    Source: SFT (arXiv 2408.05822), section 3.
    """

    needs: tuple[str, ...] = ()
    """Names of the fields of `Tokens` that it cannot do without."""

    told_by_data: ClassVar[Mapping[str, str]] = {}
    """Arguments that need not be given where a model is built for data: by name, what the data calls it."""

    order_sensitive: bool = False
    """Whether the terms depend on the order of tokens that have no `positions`."""

    invariant: bool = False
    """Whether the terms stay the same when coordinates and normals are rotated."""

    def __init__(self, heads: int, features: int) -> None:
        super().__init__()
        for name, value in (("heads", heads), ("features", features)):
            if value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        self.heads = heads
        self.multiplicative = nn.Parameter(torch.empty(heads, features))
        self.additive = nn.Parameter(torch.empty(heads, features))
        Relative._reset_own_parameters(self)  # a subclass has nothing to start yet

    def _reset_own_parameters(self) -> None:
        for weight in (self.multiplicative, self.additive):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))  # as nn.Linear does

    def forward(
        self,
        tokens: Tokens,
        context: Tokens,
        indices: Int64[Tensor, "b g m"],
        valid: Bool[Tensor, "b g m"] | None = None,
    ) -> tuple[Float[Tensor, "b h n m"], Float[Tensor, "b h n m"]]:
        """The multiplicative and the additive terms of tokens that are chosen one for each slot.

        Args:
            tokens: the queries; padding holds zeros, but that of edges anything.
            context: what was chosen from; padding holds zeros.
            indices: of the tokens of the context that each group chose, less than its length. Each group stands for
                h / g heads, in order.
            valid: False where a slot holds no token; what the terms are there is open, but they are finite. None: all
                hold one.

        Raises:
            ValueError: if the tokens or the context lack a field that is needed, or the groups do not divide the heads.
        """
        terms = self.of_choice(tokens, context, Choice(indices, valid, slots=indices.shape[2]))
        return terms.make(*terms.of_queries)

    def of_choice(self, tokens: Tokens, context: Tokens, choice: Choice) -> PairTerms:
        """The terms of what a sampler chose, in the dtype of the weights.

        Args:
            tokens, context: as for `forward`.
            choice: what each group of heads sees; no learned extra tokens, which are nowhere.

        Raises:
            ValueError: if the tokens or the context lack a field that is needed; `make` raises one if the groups do not
                divide the heads.
        """
        for side, given in self._users(tokens, context):
            for name in self.needs:
                if getattr(given, name) is None:
                    carriers = f", as {CARRIERS[name]} have" if name in CARRIERS else ""
                    raise ValueError(f"{type(self).__name__} needs {name}{carriers}, but the {side} has none")
        return self.terms(tokens, context, choice)

    def terms(self, tokens: Tokens, context: Tokens, choice: Choice) -> PairTerms:
        """``w_h · r_ij`` and ``u_h · r_ij`` for each query and slot.

        They are linear in ``r_ij``, so that what the slots hold (`Choice.mixed`) may be mixed where it is smallest: of
        the tokens, or of the features of pairs, before the weights make h numbers of it.

        Args:
            tokens, context, choice: as for `of_choice`; no needed field is missing.
        """
        raise NotImplementedError

    def both(self, term: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """The terms that a function gives with the multiplicative and with the additive weights, ``(h, f)`` each."""
        return term(self.multiplicative), term(self.additive)

    def _users(self, tokens: Tokens, context: Tokens) -> Iterator[tuple[str, Tokens]]:
        """Who must have what is needed."""
        yield "query set", tokens
        yield "context", context

    def extra_repr(self) -> str:
        heads, features = self.multiplicative.shape
        return f"heads={heads}, features={features}"


def gathered(of_tokens: Float[Tensor, "b n c"], indices: Int64[Tensor, "b g m"]) -> Float[Tensor, "b g m c"]:
    """What the chosen tokens hold.

    Example:
        >>> gathered(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[1, 0, 1]]])).flatten()
        tensor([2., 1., 2.])
    """
    width = of_tokens.shape[2]
    rows = indices.flatten(1)[:, :, None].expand(-1, -1, width)
    return of_tokens.gather(1, rows).unflatten(1, indices.shape[1:])
