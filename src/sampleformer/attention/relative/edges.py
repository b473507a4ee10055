"""Graphs: what joins the two tokens."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from sampleformer.attention.relative.base import PairTerms, Relative
from sampleformer.attention.samplers.choice import Choice
from sampleformer.functional.edge_terms import edge_terms, slot_edges
from sampleformer.functional.indices import check_indices
from sampleformer.tokens import Tokens


class EdgeRelative(Relative):
    """Terms of the edge that leads from the query to the chosen token, zero where there is none.

    ``r_ij = [features of the edge ; 1]``, the sum of these if several edges join the pair. The edges are those of the
    queries' set; their targets are indices into the context.

    Args:
        heads: h.
        features: of an edge, without the bit that says that there is one; may be 0.

    Raises:
        ValueError: if the heads are not positive or the features are negative; when it runs, if the edges have another
            number of features or join a token that is not there.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.edges import Edges
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> tokens = Tokens(torch.zeros(1, 5, 8), edges=edges)
        >>> multiplicative, additive = EdgeRelative(heads=4, features=3)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("edges",)
    told_by_data: ClassVar[Mapping[str, str]] = {"features": "edge_features"}
    invariant = True

    def __init__(self, heads: int, *, features: int) -> None:
        if features < 0:
            raise ValueError(f"features is {features}, expected at least 0")
        super().__init__(heads, features + 1)

    def terms(self, tokens: Tokens, context: Tokens, choice: Choice) -> PairTerms:
        """Both terms, see `Relative.terms`."""
        assert tokens.edges is not None
        edges = tokens.edges.without_padding()
        found, expected = edges.features.shape[-1], self.additive.shape[-1] - 1
        if found != expected:
            raise ValueError(f"the edges have {found} features, but EdgeRelative was made for features = {expected}")
        check_indices(edges.source, tokens.length, "the source of an edge")
        check_indices(edges.target, context.length, "the target of an edge")
        batch, length, device = tokens.batch, tokens.length, edges.source.device
        ends = slot_edges(edges, choice.indices, choice.valid, choice.shares, queries=length, keys=context.length)
        # Edges know of slots that are shared by two; other mixtures are made of the terms of all candidates.
        slots = choice.indices.shape[2] if choice.shares is None else choice.slots

        def make(numbers: Tensor) -> tuple[Tensor, Tensor]:
            queries = numbers.shape[1]
            some = ends if queries == length else ends.of_queries(int(numbers[0, 0]), queries)

            def term(weight: Tensor) -> Tensor:
                terms = edge_terms(some, weight, batch=batch, queries=queries, slots=slots)
                return _mixed(choice, terms) if choice.shares is None else terms

            return self.both(term)

        return PairTerms((torch.arange(length, device=device).expand(batch, length),), make)

    def _users(self, tokens: Tokens, context: Tokens) -> Iterator[tuple[str, Tokens]]:
        yield "query set", tokens


def _mixed(choice: Choice, terms: Tensor) -> Tensor:
    """Terms of slots, from those of candidates: (b, h, n, m) to (b, h, n, k)."""
    groups = choice.indices.shape[1]
    by_group = terms.unflatten(1, (groups, -1)).flatten(2, 3)  # (b, g, n h / g, m)
    return choice.mixed_columns(by_group).unflatten(2, (-1, terms.shape[2])).flatten(1, 2)
