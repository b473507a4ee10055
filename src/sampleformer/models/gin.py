"""GIN: sums over neighbours, as a simple model for graphs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sampleformer.embed.fields import codes, numbers
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models.base import AnyModelSettings, Model
from sampleformer.norms import BatchNorm
from sampleformer.sample import LEVELS
from sampleformer.tokens import Tokens, as_tokens


class GINSettings(AnyModelSettings):
    """Settings of `GIN`.

    Args:
        name: "gin".
        width: Width of the nodes inside.
        layers: Number of convolutions.
        pooling: ``mean`` or ``sum`` over the nodes of a graph.
        dropout: Of each layer, and before the linear maps of the output.
    """

    name: str = "gin"
    width: int = Field(default=64, ge=1)
    layers: int = Field(default=5, ge=1)
    pooling: Literal["mean", "sum"] = "mean"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class GIN(Model):
    """A graph isomorphism network of PyTorch Geometric's convolutions.

    ``h_i ← relu(norm(MLP((1 + ε) h_i + Σ_j message)))`` with the message ``relu(h_j + W e_ij)`` where edges carry
    something, else ``h_j``; the output is a linear map of the pooled nodes of every layer, the first one included; for
    outputs of nodes, of the nodes themselves.

    Args:
        settings: `GINSettings`.
        inputs: ``{"vocabularies": sizes}`` or ``{"features": number}`` of nodes, and ``edge_features``.
        outputs: Number of outputs.
        level: "sample" or "token".

    Raises:
        InputError: if PyTorch Geometric is not installed.

    Source: Xu et al. 2019, How powerful are graph neural networks? (arXiv 1810.00826), equations 4.1 and 4.2; edges:
    Hu et al. 2020 (arXiv 1905.12265), as `torch_geometric.nn.GINEConv`.
    """

    name = "gin"
    Settings = GINSettings
    levels = LEVELS[:2]
    needs = ("edge_features",)
    example: ClassVar[dict[str, Any]] = {"features": 1, "edge_features": 0}

    def build(self, settings: GINSettings) -> None:
        geometric = require("torch_geometric.nn", "graph")
        width = settings.width
        self.vocabularies: Sequence[int] | None = self.inputs.get("vocabularies")
        self.features = int(self.inputs.get("features") or 0)
        edge_features = int(self.inputs["edge_features"])
        self.codes = nn.ModuleList(nn.Embedding(size, width) for size in self.vocabularies or ())
        # Nodes that carry nothing are all alike: one learned vector.
        self.numbers = None if self.vocabularies is not None else nn.Linear(max(1, self.features), width)
        self.has_edge_features = edge_features > 0
        self.convolutions = nn.ModuleList(_convolution(geometric, width, edge_features) for _ in range(settings.layers))
        self.norms = nn.ModuleList(BatchNorm(width) for _ in range(settings.layers))
        self.head = nn.ModuleList(nn.Linear(width, self.outputs) for _ in range(settings.layers + 1))
        self.pool = geometric.global_mean_pool if settings.pooling == "mean" else geometric.global_add_pool
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b ..."]:
        """Outputs ``(b, outputs)`` of graphs, or ``(b, n, outputs)`` of nodes, zero at padding."""
        tokens = as_tokens(tokens)
        if tokens.edges is None:
            raise InputError("the tokens have no edges, expected those of graphs")
        mask = tokens.features.new_ones(tokens.features.shape[:2], dtype=torch.bool)
        mask = mask if tokens.mask is None else tokens.mask
        nodes = self._enter(tokens)[mask]
        graph = torch.arange(tokens.batch, device=mask.device).repeat_interleave(mask.sum(1))
        ends, edge_features = _joined(tokens, mask)
        carried = (edge_features.to(nodes.dtype),) if self.has_edge_features else ()
        total = self._output(0, nodes, graph, tokens.batch)
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True), start=1):
            nodes = self.dropout(F.relu(norm(convolution(nodes, ends, *carried))))
            total = total + self._output(number, nodes, graph, tokens.batch)
        if self.level == LEVELS[0]:
            return total
        return total.new_zeros(*mask.shape, self.outputs).masked_scatter(mask[..., None], total)

    def _enter(self, tokens: Tokens) -> Tensor:
        features = tokens.without_padding().features
        if self.vocabularies is not None:
            features = codes(features if features.ndim == 3 else features[..., None], self.vocabularies)
            tables = zip(self.codes, features.unbind(2), strict=True)
            return torch.stack([table(column) for table, column in tables]).sum(0)
        assert self.numbers is not None
        weight = self.numbers.weight
        if not self.features:
            return self.numbers(weight.new_ones(*features.shape[:2], 1))
        return self.numbers(numbers(features, "features", self.features).to(weight.dtype))

    def _output(self, number: int, nodes: Tensor, graph: Tensor, graphs: int) -> Tensor:
        pooled = self.pool(nodes, graph, graphs) if self.level == LEVELS[0] else nodes
        return self.head[number](self.dropout(pooled))


def _joined(tokens: Tokens, mask: Tensor) -> tuple[Tensor, Tensor]:
    """All graphs of a batch as one: source and target of each edge, ``(2, E)``, and what it carries, ``(E, f)``.

    A message goes from the source of an edge to its target, as in PyTorch Geometric.
    """
    edges = tokens.edges
    assert edges is not None
    places = mask.flatten().cumsum(0).reshape(mask.shape) - 1
    real = edges.mask if edges.mask is not None else torch.ones_like(edges.source, dtype=torch.bool)
    source, target = (
        places.gather(1, index.clamp(max=mask.shape[1] - 1))[real] for index in (edges.source, edges.target)
    )
    return torch.stack([source, target]), edges.features[real]


def _convolution(geometric: ModuleType, width: int, edge_features: int) -> nn.Module:
    inside = nn.Sequential(nn.Linear(width, width), BatchNorm(width), nn.ReLU(), nn.Linear(width, width))
    if edge_features:
        return geometric.GINEConv(inside, train_eps=True, edge_dim=edge_features)
    return geometric.GINConv(inside, train_eps=True)
