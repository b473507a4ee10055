"""Sampled attention among the nodes of each graph of a batch."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.attention import ATTENTIONS, Attention
from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.modules import Module
from sampleformer.ragged import Ragged, by_size
from sampleformer.settings import construct
from sampleformer.tokens import Tokens


class SampledGraphAttention(Module):
    """Attention in which every node attends to a sample of the nodes of its graph.

    Graphs of similar sizes are padded to one size and attended to together, so that one large graph among small ones
    does not make all of them large: no graph takes more than twice its size. The result is that of each graph alone.

    It goes where a layer of PyTorch Geometric goes, in a `torch_geometric.nn.Sequential` for instance; inside a
    `GPSConv`, `swap` of the package puts what that needs.

    Args:
        channels: Width of the nodes.
        heads: Number of heads. A divisor of the channels. Default: 1.
        attention: Name of the method in `ATTENTIONS`, or an import path. Default: samsa.
        settings: Further arguments of the method, such as ``sampled=64``. With terms of edges, as in
            ``attention="sft", relative={"name": "edges", "features": 3}``, the layer needs ``edge_index``.

    Raises:
        InputError: if an argument does not exist or is refused.

    Example:
        >>> layer = SampledGraphAttention(8, heads=2, sampled=3)
        >>> layer(torch.zeros(5, 8), torch.tensor([0, 0, 0, 1, 1])).shape
        torch.Size([5, 8])
    """

    def __init__(self, channels: int, heads: int = 1, *, attention: str = "samsa", **settings: Any) -> None:
        super().__init__()
        method = ATTENTIONS.resolve(attention, "attention")
        self.channels = channels
        self.attention: Attention = construct(method, settings, f"attention {attention!r}", width=channels, heads=heads)

    def forward(
        self,
        x: Float[Tensor, "N d"],
        edge_index: Tensor | None = None,
        batch: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Float[Tensor, "N d"]:
        """Attends; called as ``layer(x, batch)`` or as ``layer(x, edge_index, batch)``.

        Args:
            x: Features of the nodes of all graphs.
            edge_index: Edges ``(2, E)``, of which only terms of edges take notice; the first row attends to the second.
                A vector without a further argument is the batch.
            batch: Graph of each node, in any order. None: all are of one graph.
            edge_attr: What each edge carries, ``(E, f)`` or ``(E,)``.

        Raises:
            InputError: if the shapes do not fit, or edges are missing that the method needs.
        """
        if isinstance(edge_index, Tensor) and edge_index.ndim == 1 and batch is None:
            edge_index, batch = None, edge_index
        if x.ndim != 2 or x.shape[1] != self.channels:
            raise InputError(f"x has shape {tuple(x.shape)}, expected (nodes, channels = {self.channels})")
        relative = self.attention.relative
        joined = relative is not None and "edges" in relative.needs
        if joined and not isinstance(edge_index, Tensor):
            raise InputError(
                f"edge_index is {type(edge_index).__name__}, expected a tensor (2, edges) for terms of edges"
            )
        nodes = Ragged.of(batch, len(x), device=x.device)
        edges = Edges.of_nodes(edge_index, nodes, edge_attr) if joined and edge_index is not None else None
        if not len(x):
            return x
        parts, members = [], []
        for group in by_size(nodes.sizes.tolist()):
            some, of_group = nodes.only(group)
            tokens = Tokens(some.padded(x[of_group]), some.mask(), edges=None if edges is None else _of(edges, group))
            parts.append(some.rows(self.attention(tokens)))
            members.append(of_group)
        return torch.cat(parts)[torch.cat(members).argsort()]


def _of(edges: Edges, sets: list[int]) -> Edges:
    """Edges of some of the sets, padded no more than these need."""
    rows = torch.tensor(sets, device=edges.source.device)
    mask = None if edges.mask is None else edges.mask[rows]
    most = edges.number if mask is None else int(mask.sum(1).max())
    source, target, features = (each[rows, :most] for each in (edges.source, edges.target, edges.features))
    return Edges(source, target, features, None if mask is None else mask[:, :most])
