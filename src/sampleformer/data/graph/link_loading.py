"""From graphs to the prediction of their links, in three parts."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sampleformer.data.descriptors.columns import check_undescribed
from sampleformer.data.encoding import Encoding
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.links import asked, different_edges, edge_keys, sample_non_edges
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.data.samples import TargetRows
from sampleformer.data.source import Splits
from sampleformer.data.split import PERIOD, split_tenths
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tasks import Link
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.data.graph.graph_source import GraphSource

logger = logging.getLogger("sampleformer")

_PARTS = ("valid", "test", "train")


class LinkLoading:
    """One reading of graphs whose edges are to be predicted.

    A seeded tenth of the edges is held out for validation and one for the test, in all parts: a graph never holds an
    edge that is asked about. With the edges go as many pairs that no edge joins. Self-loops are not asked about, and
    of double edges all are held out or none.

    Args:
        source: says what to read and how.
        rows: the graphs.
    """

    def __init__(self, source: GraphSource, rows: GraphRows) -> None:
        if source.valid is not None or source.test is not None:
            raise InputError("valid, test: found a split of graphs or nodes, but links are split by seeded tenths")
        self.source = source
        check_undescribed(source.descriptors)
        self.rows = rows
        self.graphs = rows.graphs[: source.limit]

    def splits(self) -> Splits:
        """Holds edges out, learns the encoding on the graphs without them, and encodes all."""
        links = [different_edges(graph.ends, graph.order, graph.directed) for graph in self.graphs]
        of_graph = np.repeat(np.arange(len(links)), [len(each) for each in links])
        if len(of_graph) < PERIOD:
            raise InputError(
                f"{self.rows.path}: found {count(len(of_graph), 'edge')} between different nodes, expected at least "
                f"{PERIOD} to hold out a tenth for validation and one for the test"
            )
        chosen = dict(zip(_PARTS, split_tenths(of_graph, 2, self.source.seed), strict=True))
        everything = np.concatenate(links)
        found = {name: _by_graph(everything, of_graph, rows, len(links)) for name, rows in chosen.items()}
        graphs = np.empty(len(self.graphs), dtype=object)
        for place, graph in enumerate(self.graphs):
            graphs[place] = _without(graph, np.concatenate([found["valid"][place], found["test"][place]]))
        inputs = self.source.taken_over(self.source.learn_inputs([], graphs))
        encoding = Encoding(inputs, Link(self.source.labels), format=self.source.table_format)
        sets = encoding.inputs.encode(graphs, RowReport(self.rows.path, self.rows.place, "stop"))
        samples = {}
        for number, name in enumerate(_PARTS):
            rows = self._rows(found[name], np.random.default_rng([self.source.seed, number]))
            asked_of = np.flatnonzero([len(each) > 0 for each in found[name]])
            samples[name] = encoding.pack(sets, rows, self.rows.names).subset(asked_of)
        sizes = ", ".join(f"{len(chosen[name]):,} {name}" for name in ("train", "valid", "test"))
        logger.info("%s: task link: edges: %s; as many pairs that no edge joins", self.rows.path, sizes)
        return Splits(samples["train"], samples["valid"], samples["test"], encoding)

    def _rows(self, links: list[np.ndarray], random: np.random.Generator) -> TargetRows:
        """The links of each graph that are asked about, and as many pairs that are none."""
        pairs, targets = [], []
        for graph, found in zip(self.graphs, links, strict=True):
            keys = edge_keys(graph.ends, graph.order, graph.directed)
            others = sample_non_edges(keys, graph.order, len(found), random, graph.directed)
            both, target = asked(found, others)
            pairs.append(both)
            targets.append(target)
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in pairs])])
        return TargetRows(np.concatenate(targets), offsets, np.concatenate(pairs))


def _by_graph(links: np.ndarray, of_graph: np.ndarray, chosen: np.ndarray, graphs: int) -> list[np.ndarray]:
    """The chosen links of each graph; the links of all graphs are listed one graph after the other, as `chosen` is."""
    return np.split(links[chosen], np.searchsorted(of_graph[chosen], np.arange(1, graphs)))


def _without(graph: RawGraph, links: np.ndarray) -> RawGraph:
    """A graph without some of its edges."""
    keys = edge_keys(graph.ends, graph.order, graph.directed)
    kept = ~np.isin(keys, edge_keys(links, graph.order, graph.directed))
    return replace(
        graph,
        ends=graph.ends[kept],
        edge_numbers=graph.edge_numbers[kept],
        edge_categories=graph.edge_categories[kept],
    )
