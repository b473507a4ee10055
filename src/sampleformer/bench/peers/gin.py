"""GIN: sums over neighbours, as a baseline for graphs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.bench.peers.graph_part import GraphBatch
from sampleformer.bench.peers.network import Network
from sampleformer.extras import require

POOLINGS = ("mean", "sum")


class GIN(Network):
    """A graph isomorphism network of PyTorch Geometric's convolutions.

    ``h_i ← relu(norm(MLP((1 + ε) h_i + Σ_j message)))`` with the message ``relu(h_j + W e_ij)`` where edges carry
    something, else ``h_j``; the answer is a linear map of the pooled nodes of every layer, the first one included.

    Args:
        outputs: numbers in an answer.
        sizes: how many codes each category of a node has; None: nodes carry numbers.
        features: numbers that a node carries; None: nodes carry codes.
        edge_features: numbers that an edge carries; 0: none.
        width: of the nodes inside.
        layers: how many convolutions.
        pooling: ``"mean"`` or ``"sum"``.
        dropout: before the linear maps of the answer, and after each layer.

    Raises:
        ValueError: if not exactly one of sizes and features is given, or the pooling is unknown.
        InputError: if PyTorch Geometric is not installed.

    Source: Xu et al. 2019, How powerful are graph neural networks? (arXiv 1810.00826), equations 4.1 and 4.2; edges:
    Hu et al. 2020 (arXiv 1905.12265), as `torch_geometric.nn.GINEConv`.
    """

    def __init__(
        self,
        outputs: int,
        *,
        sizes: Sequence[int] | None = None,
        features: int | None = None,
        edge_features: int = 0,
        width: int = 64,
        layers: int = 5,
        pooling: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if (sizes is None) == (features is None):
            raise ValueError(f"sizes is {sizes} and features is {features}, expected exactly one of them")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}, expected mean or sum")
        geometric = require("torch_geometric.nn", "peers")
        self.codes = nn.ModuleList(nn.Embedding(size, width) for size in sizes or ())
        self.numbers = None if features is None else nn.Linear(features, width)
        self.has_edge_features = edge_features > 0
        self.convolutions = nn.ModuleList(_convolution(geometric, width, edge_features) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(layers))
        self.answers = nn.ModuleList(nn.Linear(width, outputs) for _ in range(layers + 1))
        self.pool = geometric.global_mean_pool if pooling == "mean" else geometric.global_add_pool
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Answers ``(b, outputs)``, one a graph."""
        nodes = self._enter(batch.nodes)
        total = self._answer(0, nodes, batch)
        carried = (batch.edge_features,) if self.has_edge_features else ()
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True), start=1):
            nodes = self.dropout(F.relu(norm(convolution(nodes, batch.ends, *carried))))
            total = total + self._answer(number, nodes, batch)
        return total

    def _enter(self, nodes: Tensor) -> Tensor:
        if self.numbers is not None:
            return self.numbers(nodes.to(self.numbers.weight.dtype))
        tables = zip(self.codes, nodes.unbind(1), strict=True)
        return sum((table(codes) for table, codes in tables), start=nodes.new_zeros(()))

    def _answer(self, number: int, nodes: Tensor, batch: GraphBatch) -> Tensor:
        return self.answers[number](self.dropout(self.pool(nodes, batch.graph, batch.graphs)))


def _convolution(geometric: ModuleType, width: int, edge_features: int) -> nn.Module:
    inside = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width))
    if edge_features:
        return geometric.GINEConv(inside, train_eps=True, edge_dim=edge_features)
    return geometric.GINConv(inside, train_eps=True)
