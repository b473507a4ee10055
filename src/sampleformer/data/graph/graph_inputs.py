"""General graphs as tokens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import Dataset

from sampleformer.data.graph.feature_coding import FeatureCoding
from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_memory import graph_rows_of
from sampleformer.data.graph.graph_reading import read_like_others
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.links import ask_for_links
from sampleformer.data.graph.node_targets import encode_known
from sampleformer.data.graph.packing import pack_graphs
from sampleformer.data.graph.pair_rows import pair_rows
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.data.inputs import Inputs
from sampleformer.data.samples import TargetRows
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.format import TableFormat
from sampleformer.tables.report import RowReport
from sampleformer.tasks import Contents

if TYPE_CHECKING:
    from sampleformer.tables.table import Table
    from sampleformer.tasks import Task


class GraphInputs(Inputs, kind="graph"):
    """Graphs whose nodes and edges carry numbers, categories, both or nothing.

    Numbers are standardised. Categories of edges are one-hot, and those of nodes too if nodes carry numbers as well;
    otherwise nodes carry their codes. A category that the training part did not have is unknown: zeros, or the code 0.

    Args:
        nodes: what was learnt about the nodes.
        edges: what was learnt about the edges.
        places: what tells the nodes apart beside what they carry.
        format: how new files are read.
        directed: whether edges lead from source to target alone.
        link_share: for the prediction of links, the share of the edges that each pass of training takes out of the
            graph and asks about.
    """

    unit = "node"
    prepares = True

    def __init__(
        self,
        nodes: FeatureCoding,
        edges: FeatureCoding,
        places: Places,
        format: GraphFormat | None = None,
        directed: bool = False,
        link_share: float = 0.2,
    ) -> None:
        self.nodes = nodes
        self.edges = edges
        self.places = places
        self.format = replace(format or GraphFormat(), directed=directed)
        self.directed = directed
        self.link_share = link_share

    @classmethod
    def learn(
        cls, graphs: Sequence[RawGraph], places: Places, format: GraphFormat | None = None, *, directed: bool = False
    ) -> GraphInputs:
        """What the graphs of the training part teach."""
        known = format or GraphFormat()
        names = [
            [] if columns is None else [f"column {name!r} of {of}" for name in columns.categories]
            for of, columns in (("nodes", known.node_columns), ("edges", known.edge_columns))
        ]
        nodes = FeatureCoding.learn([each.numbers for each in graphs], [each.categories for each in graphs], names[0])
        edges = FeatureCoding.learn(
            [each.edge_numbers for each in graphs], [each.edge_categories for each in graphs], names[1]
        )
        return cls(nodes, edges, places, format, directed)

    @property
    def model_inputs(self) -> dict[str, Any]:
        carried = {"vocabularies": self.nodes.vocabularies} if self.nodes.all_codes else {"features": self.nodes.width}
        return {**carried, "edge_features": self.edges.width, "directed": self.directed, **self.places.model_inputs}

    def with_learnt(self, other: Inputs) -> GraphInputs:
        self._alike(other)
        assert isinstance(other, GraphInputs)
        return GraphInputs(other.nodes, other.edges, self.places, self.format, self.directed, self.link_share)

    @property
    def contents(self) -> Contents | None:
        if self.nodes.all_codes:
            return Contents(labels=["unknown", *map(str, self.nodes.categories[0])], unknown=0)
        return Contents(columns=[f"feature {place}" for place in range(self.nodes.width)]) if self.nodes.width else None

    def read(
        self, path: str | os.PathLike[str], on_error: str, format: TableFormat, rows: int | None = None
    ) -> Iterator[GraphRows]:
        yield read_like_others(path, self.format, on_error, format)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[GraphRows]:
        yield graph_rows_of(samples, self.format)

    def is_one(self, value: Any) -> bool:
        return (hasattr(value, "edge_index") and not isinstance(value, Dataset)) or isinstance(value, Mapping)

    def target_rows(self, table: Table, sets: TokenSets, task: Task, on_error: str, *, known: bool) -> TargetRows:
        assert isinstance(table, GraphRows)
        if task.of_pairs:
            return pair_rows(table, task if known else None, on_error)
        if not known:
            return TargetRows(None, sets.offsets)
        if table.nodes is None:
            raise InputError(f"{table.path}: found no table of nodes, expected one with {', '.join(task.columns)}")
        numbers = encode_known(task, table.nodes, on_error)
        # A graph that does not fit was encoded as one without nodes.
        rows = [graph.rows[:length] for graph, length in zip(table.graphs, sets.lengths, strict=True)]
        return TargetRows(numbers[np.concatenate(rows)], sets.offsets)

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        assert isinstance(table, GraphRows)
        return table.graphs

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        graphs = []
        for row, graph in enumerate(values):
            try:
                graphs.append(self._encoded(graph))
            except ValueError as error:
                report.add(row, str(error))
                graphs.append(self._encoded(self._empty()))
        names = [graph.names for graph in values]
        known = np.concatenate(names) if names and all(each is not None for each in names) else None
        return pack_graphs(graphs, self.places.encodings(graphs), names=known)

    def _misfit(self, graph: RawGraph) -> str | None:
        nodes = self.nodes.misfit(graph.numbers.shape[1], graph.categories.shape[1])
        edges = self.edges.misfit(graph.edge_numbers.shape[1], graph.edge_categories.shape[1])
        if nodes is not None:
            return f"each node carries {nodes}"
        return f"each edge carries {edges}" if edges is not None and len(graph.ends) else None

    def _encoded(self, graph: RawGraph) -> Graph:
        problem = self._misfit(graph)
        if problem:
            raise ValueError(problem)
        edges = (graph.edge_numbers, graph.edge_categories) if len(graph.ends) else _nothing(self.edges)
        nodes = _described("node", self._node_features, graph.numbers, graph.categories)
        return Graph(nodes, graph.ends, _described("edge", self.edges.vectors, *edges), self.directed)

    def _node_features(self, numbers: np.ndarray, categories: np.ndarray) -> np.ndarray:
        return self.nodes.codes(categories) if self.nodes.all_codes else self.nodes.vectors(numbers, categories)

    def _empty(self) -> RawGraph:
        """In the place of a graph that is reported, and left out."""
        return RawGraph(*_nothing(self.nodes), np.zeros((0, 2), np.int64), *_nothing(self.edges))

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        if training and sample.pairs is not None:
            sample = ask_for_links(sample, random, self.link_share)
        return self.places.prepare(sample, random, training=training)

    def pieces(self, sample: Sample) -> list[str]:
        named = [str(name) for name in (sample.places if sample.names is None else sample.names)]
        if not self.nodes.all_codes:
            return named
        known = self.nodes.categories[0]
        return [
            f"{name}: {known[code - 1] if code else 'unknown'}"
            for name, code in zip(named, sample.features[:, 0].tolist(), strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "nodes": self.nodes.to_json(),
            "edges": self.edges.to_json(),
            "places": self.places.to_json(),
            "format": self.format.to_json(),
            "directed": self.directed,
            "link_share": self.link_share,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> GraphInputs:
        parts = {name: construct(FeatureCoding, values.pop(name), f"inputs.{name}") for name in ("nodes", "edges")}
        places = construct(Places, values.pop("places"), "inputs.places")
        format = GraphFormat.from_json(values.pop("format"))
        return construct(cls, values, "inputs", **parts, places=places, format=format)


def _described(
    of: str,
    features: Callable[[np.ndarray, np.ndarray], np.ndarray],
    numbers: np.ndarray,
    categories: np.ndarray,
) -> np.ndarray:
    try:
        return features(numbers, categories)
    except ValueError as error:
        raise ValueError(f"{of}s: {error}") from error


def _nothing(coding: FeatureCoding) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and categories of no nodes or edges."""
    return np.zeros((0, len(coding.mean))), np.zeros((0, len(coding.categories)), dtype=object)
