"""Edges between tokens."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.ragged import Ragged
from sampleformer.trees import tree_node
from sampleformer.zeroing import zeroed


@tree_node
@dataclass(frozen=True)
class Halo:
    """Tokens of other ranks that edges of this one enter, and its own tokens that edges of others enter.

    The tokens of a batch are counted through, those of the first set first.

    Args:
        rows: Tokens of this rank that others need, those for the first rank first, shape ``(r,)``.
        sent: How many of them go to each rank.
        received: How many tokens come from each rank.
        places: Place of each that comes among ``b · length`` ones, shape ``(m,)``.
        length: Tokens from elsewhere of the set that needs most.
    """

    rows: Int64[Tensor, " r"]
    sent: tuple[int, ...]
    received: tuple[int, ...]
    places: Int64[Tensor, " m"]
    length: int


@tree_node
@dataclass(frozen=True)
class Edges:
    """Directed edges between the tokens of each set of a batch, padded to one number of edges.

    An edge leads from its source, the token that attends, to its target, the token attended to. An undirected graph has
    two edges for each of its own. Several edges may join the same pair.

    Args:
        source: index of the token that each edge leaves, shape ``(b, E)``.
        target: index of the token that it enters, shape ``(b, E)``.
        features: what each edge carries, shape ``(b, E, f)``; f may be 0.
        mask: shape ``(b, E)``, True where an edge is real and False where it is padding. None: every edge is real.
        halo: Where ranks share the tokens, which of other ranks the edges enter: targets count them behind the tokens
            of this rank, see `distributed.shard_edges`. None: all tokens are here.

    Raises:
        ValueError: if the shapes do not fit together, the indices are not int64, the features no floating-point
            numbers, or the mask is not boolean.

    Example:
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> edges.batch, edges.number
        (1, 2)
    """

    source: Int64[Tensor, "b E"]
    target: Int64[Tensor, "b E"]
    features: Float[Tensor, "b E f"]
    mask: Bool[Tensor, "b E"] | None = None
    halo: Halo | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.source, Tensor) or torch.compiler.is_compiling():
            return  # tree utilities rebuild the structure with placeholders in the place of tensors
        if self.source.ndim != 2:
            raise ValueError(f"source has shape {tuple(self.source.shape)}, expected (sets, edges)")
        shapes = {"target": self.source.shape, "mask": self.source.shape, "features": (*self.source.shape, "f")}
        for name, expected in shapes.items():
            value = getattr(self, name)
            if isinstance(value, Tensor) and (value.ndim != len(expected) or value.shape[:2] != expected[:2]):
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}, expected ({', '.join(map(str, expected))}) like the source"
                )
        for name, index in (("source", self.source), ("target", self.target)):
            if index.dtype != torch.int64:
                raise ValueError(f"{name} has dtype {index.dtype}, expected torch.int64")
        if not self.features.is_floating_point():
            raise ValueError(f"features have dtype {self.features.dtype}, expected floating-point numbers")
        if isinstance(self.mask, Tensor) and self.mask.dtype != torch.bool:
            raise ValueError(f"mask has dtype {self.mask.dtype}, expected torch.bool (True = a real edge)")

    @classmethod
    def from_pyg(cls, data: Any) -> "Edges":
        """Edges of a graph, or of a batch of graphs, of PyTorch Geometric.

        The first row of ``edge_index`` is the source, which attends, the second the target. Layers of PyTorch Geometric
        send from the first to the second; ``edge_index.flip(0)`` gives the other direction.

        Args:
            data: `torch_geometric.data.Data` or ``Batch`` with ``edge_index`` ``(2, E)`` and perhaps ``edge_attr``
                ``(E, f)`` or ``(E,)``.

        Raises:
            InputError: if there are no edges, or they do not fit.

        Example:
            >>> from torch_geometric.data import Data
            >>> Edges.from_pyg(Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)).source
            tensor([[0, 1]])
        """
        edge_index = getattr(data, "edge_index", None)
        if not isinstance(edge_index, Tensor):
            raise InputError(f"data.edge_index is a {type(edge_index).__name__}, expected a tensor (2, edges)")
        batch, nodes = getattr(data, "batch", None), data.num_nodes
        sets = None if batch is None else data.num_graphs
        nodes_of = Ragged.of(batch, nodes, sets, edge_index.device)
        return cls.of_nodes(edge_index, nodes_of, getattr(data, "edge_attr", None))

    @classmethod
    def of_nodes(cls, edge_index: Tensor, nodes: Ragged, features: Tensor | None = None) -> "Edges":
        """Edges by set, of edges that join the nodes of all sets; if all go both ways, one direction follows the other.

        Args:
            edge_index: Source and target of each edge among all nodes, shape ``(2, E)``.
            nodes: Set and place of each node.
            features: What each edge carries, shape ``(E, f)`` or ``(E,)``. None: nothing.

        Raises:
            InputError: if the shapes do not fit, an index is of no node, or an edge joins two sets.
        """
        if edge_index.ndim != 2 or edge_index.shape[0] != 2 or edge_index.dtype != torch.int64:
            raise InputError(
                f"edge_index has shape {tuple(edge_index.shape)} and dtype {edge_index.dtype}, expected (2, edges) and "
                "torch.int64"
            )
        number = len(nodes.sets)
        if bool(((edge_index < 0) | (edge_index >= number)).any()):
            raise InputError(f"edge_index holds an index outside 0 to {number - 1}, expected those of {number} nodes")
        source, target = edge_index
        if bool((nodes.sets[source] != nodes.sets[target]).any()):
            raise InputError("edge_index joins nodes of two graphs, expected edges inside a graph")
        if features is None:
            features = torch.zeros(edge_index.shape[1], 0, device=edge_index.device)
        features = features[:, None] if features.ndim == 1 else features
        if features.ndim != 2 or len(features) != edge_index.shape[1]:
            raise InputError(f"edge_attr has shape {tuple(features.shape)}, expected ({edge_index.shape[1]}, features)")
        order = paired_order(edge_index, number)
        if order is not None:
            source, target, features = source[order], target[order], features[order]
        edges = Ragged.of(nodes.sets[source], len(source), len(nodes.sizes))
        return cls(
            edges.padded(nodes.places[source]),
            edges.padded(nodes.places[target]),
            edges.padded(features if features.is_floating_point() else features.to(torch.get_default_dtype())),
            edges.mask(),
        )

    @property
    def batch(self) -> int:
        """Number of token sets."""
        return self.source.shape[0]

    @property
    def number(self) -> int:
        """Edges of the set that has most, padding included."""
        return self.source.shape[1]

    def reach(self, length: int) -> int:
        """Number of tokens that edges may enter, of so many at hand: those of the halo come after them."""
        return length if self.halo is None else length + self.halo.length

    def without_padding(self) -> "Edges":
        """The same edges with index 0 and zero features in the place of padding, whatever it held; the mask stays."""
        if self.mask is None:
            return self
        padding = ~self.mask
        return Edges(
            self.source.masked_fill(padding, 0),
            self.target.masked_fill(padding, 0),
            zeroed(self.features, self.mask[:, :, None]),
            self.mask,
            self.halo,
        )


def paired_order(edge_index: Int64[Tensor, "2 E"], nodes: int) -> Int64[Tensor, " E"] | None:
    """An order in which each edge is followed by its reverse; None: some edge has none of its own.

    Args:
        edge_index: Source and target of each edge.
        nodes: Number of nodes.

    Example:
        >>> paired_order(torch.tensor([[0, 0, 1, 2], [1, 2, 0, 0]]), nodes=3)
        tensor([0, 2, 1, 3])
    """
    source, target = edge_index
    # By the two ends and the direction; then the first edge of each direction stands before the second ones.
    key = 2 * (torch.minimum(source, target) * nodes + torch.maximum(source, target)) + (source > target)
    key, order = key.sort(stable=True)
    rank = torch.arange(len(key), device=key.device) - torch.searchsorted(key, key)
    by_rank = rank.argsort(stable=True)
    order = order[by_rank][(key[by_rank] // 2).argsort(stable=True)]
    source, target = source[order], target[order]
    if len(order) % 2 or bool(((source[::2] != target[1::2]) | (target[::2] != source[1::2])).any()):
        return None
    return order
