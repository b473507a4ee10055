"""Graphs: what joins the two tokens."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from sampleformer.attention.relative.base import Relative
from sampleformer.functional.relative import edge_terms
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
            number of features.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.edges import Edges
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> tokens = Tokens(torch.zeros(1, 5, 8), edges=edges)
        >>> multiplicative, additive = EdgeRelative(heads=4, features=3)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 5, 4, 2])
    """

    needs = ("edges",)
    told_by_data: ClassVar[Mapping[str, str]] = {"features": "edge_features"}
    invariant = True

    def __init__(self, heads: int, *, features: int) -> None:
        if features < 0:
            raise ValueError(f"features is {features}, expected at least 0")
        super().__init__(heads, features + 1)

    def terms(self, tokens: Tokens, context: Tokens, indices: Tensor, valid: Tensor | None, weight: Tensor) -> Tensor:
        """Terms of both maps, see `Relative.terms`."""
        edges = tokens.edges
        assert edges is not None
        found, expected = edges.features.shape[-1], weight.shape[-1] - 1
        if found != expected:
            raise ValueError(f"the edges have {found} features, but EdgeRelative was made for features = {expected}")
        return edge_terms(edges, indices, valid, weight, queries=tokens.length, keys=context.length)

    def _users(self, tokens: Tokens, context: Tokens) -> Iterator[tuple[str, Tokens]]:
        yield "query set", tokens
