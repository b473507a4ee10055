"""Attention to the tokens that edges lead to."""

from torch import Tensor, nn

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.distributed.edge_halo import with_targets
from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.functional.edge_sums import edge_attention
from sampleformer.functional.indices import check_indices
from sampleformer.tokens import Tokens


class EdgeMixing(Mixing):
    """Softmax attention to the neighbours that a token's edges lead to: cost O(edges).

    ``out_i = Σ_j A_ij (v_j + W e_ij)`` with ``A_i = softmax_j(q_i·(k_j + W e_ij) / √e)`` over the edges i → j. A token
    that no edge leaves gets zeros.

    Args:
        width: d, of all heads.
        edge_features: Numbers that an edge carries. 0: an edge is known by its ends alone.

    Raises:
        ValueError: if edge_features is negative. When it is called, InputError if the tokens have no edges or edges
            with another number of features.

    Source: Shi et al. 2020 (arXiv 2009.03509), equations 3 and 4.

    Example:
        >>> import torch
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> query, key, value = torch.zeros(3, 1, 2, 5, 4)
        >>> queries = Queries(query, tokens=Tokens(torch.zeros(1, 5, 8), edges=edges))
        >>> EdgeMixing(8, edge_features=3)(queries, Keys(key, value)).shape
        torch.Size([1, 2, 5, 4])
    """

    self_only = True
    blockwise = False
    sharded = True

    def __init__(self, width: int, *, edge_features: int) -> None:
        super().__init__()
        self.edge = edge_projection(edge_features, width)

    def forward(
        self,
        queries: Queries,
        keys: Keys,
        bias: tuple[Tensor, Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mixes, see `Mixing.forward`."""
        tokens = queries.tokens
        edges = edges_of(tokens, self.edge)
        query, key, value = (each.transpose(1, 2).flatten(2) for each in (queries.q, keys.k, keys.v))
        heads = queries.q.shape[1]
        key, value = (with_targets(each, edges) for each in (key, value))
        of_edges = project_edges(edges, self.edge, query)
        mixed = edge_attention(query, key, value, edges.source, edges.target, of_edges, edges.mask, heads=heads)
        return mixed.unflatten(2, (heads, -1)).transpose(1, 2)


def edge_projection(edge_features: int, width: int) -> nn.Linear | None:
    """Map of an edge's features to the width of the tokens; None where edges carry nothing.

    Raises:
        ValueError: if edge_features is negative.
    """
    if edge_features < 0:
        raise ValueError(f"edge_features is {edge_features}, expected at least 0")
    return nn.Linear(edge_features, width) if edge_features else None


def edges_of(tokens: Tokens | None, projection: nn.Module | None) -> Edges:
    """Edges of tokens, without what padding holds.

    Args:
        tokens: Tokens that should have edges.
        projection: Module from `edge_projection`, or what stands for it.

    Raises:
        InputError: if there are none, or one joins a token that is not there.
    """
    if tokens is None or tokens.edges is None:
        raise InputError("the tokens have no edges, expected those of graphs, or the neighbours in point clouds")
    edges = tokens.edges.without_padding()
    found = edges.features.shape[2]
    expected = 0 if projection is None else getattr(projection, "in_features", found)  # a wrapper does not say
    if found != expected:
        raise InputError(f"edges have {found} features, expected edge_features = {expected}")
    check_indices(edges.source, tokens.length, "the source of an edge")
    check_indices(edges.target, edges.reach(tokens.length), "the target of an edge")
    return edges


def project_edges(edges: Edges, projection: nn.Module | None, like: Tensor) -> Tensor | None:
    """Features of edges at the width and in the precision of the tokens; None where edges carry nothing."""
    return None if projection is None else projection(edges.features.to(like.dtype))
