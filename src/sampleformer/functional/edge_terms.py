"""Terms of edges: what joins a query and a chosen token, added up edge by edge.

What `functional.relative` says about shapes, weights and precision holds here too.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.edges import Edges
from sampleformer.functional.relative import heads_of_groups, wide, wide_matmul


@dataclass(frozen=True)
class SlotEdges:
    """The edges of all sets of a batch in one row, each with the slot that its target has.

    Args:
        sets: which set each edge is of.
        queries: index, in its set, of the token that the edge leaves.
        slots: in each group, where its target is; −1 where it is nowhere.
        shares: of what the slot holds, how much is the target. None: all of it.
        features: what the edge carries.
    """

    sets: Int64[Tensor, "e"]
    queries: Int64[Tensor, "e"]
    slots: Int64[Tensor, "g e"]
    shares: Float[Tensor, "g e"] | None
    features: Float[Tensor, "e f"]

    def of_queries(self, first: int, number: int) -> "SlotEdges":
        """Those that leave one of so many queries, which are counted from 0 then."""
        inside = ((self.queries >= first) & (self.queries < first + number)).nonzero().squeeze(1)
        shares = None if self.shares is None else self.shares[:, inside]
        queries = self.queries[inside] - first
        return SlotEdges(self.sets[inside], queries, self.slots[:, inside], shares, self.features[inside])


def slot_edges(
    edges: Edges,
    indices: Int64[Tensor, "b g m"],
    valid: Bool[Tensor, "b g m"] | None = None,
    shares: Float[Tensor, "b g r"] | None = None,
    *,
    queries: int,
    keys: int,
) -> SlotEdges:
    """Looks up the slot of each edge's target: O(edges).

    Args:
        edges: from queries to keys.
        indices: of the keys that each group chose, no valid one twice.
        valid: False where there is no token; nothing leads there. None: all are tokens.
        shares: of the last r keys chosen, each of which shares a slot with one of the first m − r, in order: how much
            of what the slot holds is the last one. None: each key has a slot of its own.
        queries: number of tokens that attend.
        keys: number of tokens chosen from.
    """
    edges = edges.without_padding()
    batch, groups, chosen = indices.shape
    if valid is not None:
        indices = indices.masked_fill(~valid, keys)  # one place more than there are keys takes what is not valid
    of_keys = indices.new_full((batch, groups, keys + 1), -1)
    of_keys = of_keys.scatter(2, indices, torch.arange(chosen, device=indices.device).expand_as(indices))
    places = of_keys.gather(2, edges.target[:, None].expand(-1, groups, -1))
    if edges.mask is not None:
        places = places.masked_fill(~edges.mask[:, None], -1)
    # Look-ups, so that an index that is no query's is refused instead of reaching into the next token set.
    numbers = torch.arange(queries, device=indices.device).expand(batch, queries)
    query = numbers.gather(1, edges.source).flatten()
    sets = torch.arange(batch, device=indices.device)[:, None].expand_as(edges.source).flatten()
    of_edges = None
    if shares is not None:
        slots = chosen - shares.shape[2]
        whole = shares.new_ones(batch, groups, slots - shares.shape[2])
        of_chosen = torch.cat([1 - shares, whole, shares], dim=2)
        of_edges = of_chosen.gather(2, places.clamp(min=0)).transpose(0, 1).flatten(1)
        places = places.where(places < slots, places - slots)
    return SlotEdges(sets, query, places.transpose(0, 1).flatten(1), of_edges, edges.features.flatten(0, 1))


def edge_terms(
    edges: SlotEdges, weight: Float[Tensor, "h f"], *, batch: int, queries: int, slots: int
) -> Float[Tensor, "batch h queries slots"]:
    """Terms of edges: ``r_ij`` is the sum of ``[features ; 1]`` over the edges from i to j, zero if there is none.

    Args:
        edges: from queries to slots.
        weight: of the edges' features and, last, of the bit that says that there is an edge.
        batch: number of sets.
        queries: of each set.
        slots: m, of each group of heads.

    Raises:
        ValueError: if the groups do not divide the heads, or the weights are not for the edges' features and the bit.

    Example:
        >>> edges = Edges(torch.tensor([[0]]), torch.tensor([[2]]), torch.tensor([[[5.0]]]))
        >>> in_slots = slot_edges(edges, torch.tensor([[[1, 2]]]), queries=2, keys=3)
        >>> edge_terms(in_slots, torch.tensor([[1.0, 0.5]]), batch=1, queries=2, slots=2).squeeze()
        tensor([[0.0000, 5.5000],
                [0.0000, 0.0000]])
    """
    if weight.shape[-1] != edges.features.shape[-1] + 1:
        raise ValueError(
            f"weight is for {weight.shape[-1]} features, but edges have {edges.features.shape[-1]} and the bit that "
            "says that there is one"
        )
    dtype, heads = weight.dtype, weight.shape[0]
    features, weight = wide(edges.features, weight)
    each = heads_of_groups(heads, edges.slots.shape[0])
    slot = edges.slots.repeat_interleave(each, dim=0)
    terms = wide_matmul(weight[:, :-1], features.T) + weight[:, -1:]
    if edges.shares is not None:
        terms = terms * edges.shares.repeat_interleave(each, dim=0)
    terms = terms.masked_fill(slot < 0, 0)
    # One flat sum, because that is the form which torch's deterministic mode knows on every device.
    rows = (edges.sets * heads + torch.arange(heads, device=slot.device)[:, None]) * queries + edges.queries
    result = terms.new_zeros(batch * heads * queries * slots)
    result = result.scatter_add_(0, (rows * slots + slot.clamp(min=0)).flatten(), terms.flatten())
    return result.view(batch, heads, queries, slots).to(dtype)
