"""From graphs whose nodes have targets to samples in three parts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from sampleformer.data.descriptors.columns import check_undescribed
from sampleformer.data.encoding import Encoding
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.node_targets import known_rows, rows_of, scattered
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.source import Splits
from sampleformer.data.split import PERIOD, split_tenths, strata_of
from sampleformer.data.split_columns import rows_of_splits
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import count_known, infer_task
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.data.graph.graph_source import GraphSource

logger = logging.getLogger("sampleformer")

PARTS = ("train", "valid", "test")


class NodeLoading:
    """One reading of graphs with targets of nodes.

    Each part has the whole graphs in which it has a node, with the targets of all other nodes unknown: in one large
    graph, training sees the nodes of the test too, but never their targets.

    Args:
        source: says what to read and how.
        rows: the graphs.
    """

    def __init__(self, source: GraphSource, rows: GraphRows) -> None:
        assert rows.nodes is not None
        self.source = source
        check_undescribed(source.descriptors)
        self.rows = rows
        self.nodes: Table = rows.nodes
        self.known = known_rows(self.nodes, source.labels)
        self.graph_of = np.full(len(self.nodes), -1, dtype=np.int64)
        for place, graph in enumerate(rows.graphs):
            self.graph_of[graph.rows] = place
        self.known = self.known[self.graph_of[self.known] >= 0]
        self.labelled = rows_of(self.nodes, self.known)
        self.task = source.task or infer_task(self.labelled, source.labels).task

    def splits(self) -> Splits:
        """Splits nodes or graphs, learns the encoding on the training part, and encodes all."""
        report = RowReport(self.nodes.path, self.labelled.place, self.source.on_error)
        values = self.task.parse_columns(self.labelled, self.source.labels, report, gaps=True)
        part = self._parts(values)
        part[list(report.wrong)] = -1
        for number, name in enumerate(PARTS):
            if not (part == number).any() and name not in self._files():
                raise InputError(f"{self.nodes.path}: found no nodes for {name}, expected at least one")
        task = self.task.learn(self.source.labels, values[part == 0], self.nodes.path, "token")
        trained = np.unique(self.graph_of[self.known[part == 0]])
        inputs = self.source.taken_over(self.source.learn_inputs([], self.rows.graphs[trained]))
        encoding = Encoding(inputs, task, format=self.source.table_format)
        numbers = scattered(task, values, self.known, len(self.nodes), report)
        samples = self._samples(encoding, numbers, part)
        for name, path in self._files().items():
            samples[name] = encoding.read(path, targets=True, on_error=self.source.on_error)
        self._log(encoding, samples)
        return Splits(samples["train"], samples["valid"], samples["test"], encoding, report.skipped)

    def _files(self) -> dict[str, str]:
        """The parts that are given as other paths."""
        given = {"valid": self.source.valid, "test": self.source.test}
        return {name: path for name, path in given.items() if path is not None and self.rows.level_of(path) is None}

    def _parts(self, values: np.ndarray) -> np.ndarray:
        """The part of each known node, as its place in `PARTS`."""
        part = np.zeros(len(self.known), dtype=np.int64)
        given = {"valid": self.source.valid, "test": self.source.test}
        missing = [name for name, path in given.items() if path is None]
        for level in ("sample", "token"):
            columns = {
                name: path for name, path in given.items() if path is not None and self.rows.level_of(path) == level
            }
            if not columns:
                continue
            of_nodes = level == "token"
            index = self.known if of_nodes else np.arange(len(self.rows))
            found = rows_of_splits(self.nodes if of_nodes else self.rows, index, columns)
            for name, places in found.items():
                chosen = places if of_nodes else np.isin(self.graph_of[self.known], places)
                part[chosen] = np.maximum(part[chosen], PARTS.index(name))
            missing = [name for name in missing if name not in found]
        if missing:
            self._split_off(part, values, missing)
        return part

    def _split_off(self, part: np.ndarray, values: np.ndarray, missing: list[str]) -> None:
        """Takes a seeded tenth of the training nodes, or of their graphs, for each part that is missing."""
        left = np.flatnonzero(part == 0)
        graphs = np.unique(self.graph_of[self.known[left]])
        many = len(graphs) >= PERIOD
        if not many and len(left) < PERIOD:
            raise InputError(
                f"{self.nodes.path}: found {count(len(left), 'node')} with a target, expected at least {PERIOD} to "
                f"split off a tenth for {' and '.join(missing)} (or give a column that says which nodes they are)"
            )
        strata = np.zeros(len(graphs)) if many else strata_of(values[left])
        *tenths, _ = split_tenths(strata, len(missing), self.source.seed)
        for name, places in zip(missing, tenths, strict=True):
            chosen = np.isin(self.graph_of[self.known[left]], graphs[places]) if many else places
            part[left[chosen]] = PARTS.index(name)

    def _samples(self, encoding: Encoding, numbers: np.ndarray, part: np.ndarray) -> dict[str, Samples]:
        """The graphs of each part; those of one part and another are held once."""
        report = RowReport(self.rows.path, self.rows.place, "stop")
        sets = encoding.inputs.encode(self.rows.graphs, report)
        order = np.concatenate([graph.rows for graph in self.rows.graphs])
        unknown = -1 if numbers.ndim == 1 else np.nan
        samples = {}
        for number, name in enumerate(PARTS):
            values = np.full_like(numbers, unknown)
            chosen = self.known[part == number]
            values[chosen] = numbers[chosen]
            graphs = np.unique(self.graph_of[chosen])[: self.source.limit]
            rows = TargetRows(values[order], sets.offsets)
            samples[name] = encoding.pack(sets, rows, self.rows.names).subset(graphs)
        return samples

    def _log(self, encoding: Encoding, samples: dict[str, Samples]) -> None:
        sizes = []
        for name, part in samples.items():
            targets = part.targets
            known = 0 if targets is None else count_known(targets)
            sizes.append(f"{known:,} {name} in {count(len(part), 'graph')}")
        logger.info(
            "%s: task %s of nodes: %s; nodes: %s", self.nodes.path, self.task.name, encoding.words, ", ".join(sizes)
        )
