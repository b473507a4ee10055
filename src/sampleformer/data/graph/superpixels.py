"""What the sets of superpixels of the Long Range Graph Benchmark share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sampleformer.data.archive import archive_files
from sampleformer.data.download import Download
from sampleformer.data.encoding import Encoding
from sampleformer.data.graph.array_features import check_numbers
from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.graph_inputs import GraphInputs
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.pyg import listed_once
from sampleformer.data.graph.raw_graph import RawGraph
from sampleformer.data.graph.restricted_pickle import read_pickle
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.source import Source, Splits
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tasks import Classification
from sampleformer.unpacking import check_unpacked

logger = logging.getLogger("sampleformer")

_PARTS = {"train.pickle": "train", "val.pickle": "valid", "test.pickle": "test"}
Labelled = tuple[list[RawGraph], list[np.ndarray]]


class Superpixels(Source):
    """Images as graphs of their superpixels, each with the class of the object that it is on.

    Args:
        path: the published .zip, or the folder it unpacks to. None: it is downloaded.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        limit: use at most so many graphs of each split.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    archive: ClassVar[Download]
    folder: ClassVar[str]
    classes: ClassVar[tuple[int, ...]]
    labels: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        path: str | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        limit: int | None = None,
        cache: str | None = None,
    ) -> None:
        self.given = path
        self.places = Places(identifiers, laplacian, random_walk)
        self.limit = limit
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the archive, unless a path was given or it is in the cache.

        Returns:
            The archive or folder to read.
        """
        return self.archive.fetch(self.cache) if self.given is None else Path(self.given)

    def load(self) -> Splits:
        path = self.prepare()
        found: dict[str, Labelled] = {}
        for name, content in archive_files(path, self.folder):
            if name in _PARTS:
                found[_PARTS[name]] = self._graphs(f"{path}: {name}", content)
        for name, part in _PARTS.items():
            if part not in found:
                raise InputError(f"{path}: found no {self.folder}/{name}, expected it in the archive or its folder")
        inputs = GraphInputs.learn(found["train"][0], self.places)
        encoding = Encoding(inputs, Classification("class", list(self.labels), "token"))
        parts = {name: self._samples(encoding, *graphs) for name, graphs in found.items()}
        sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
        logger.info("%s: task classification of nodes: %s; graphs: %s", path, encoding.words, sizes)
        return Splits(parts["train"], parts["valid"], parts["test"], encoding)

    def _samples(self, encoding: Encoding, graphs: list[RawGraph], classes: list[np.ndarray]) -> Samples:
        values = np.empty(len(graphs), dtype=object)
        values[:] = graphs
        sets = encoding.inputs.encode(values, RowReport(self.folder, lambda row: f"graph {row}"))
        return encoding.pack(
            sets, TargetRows(np.concatenate(classes), sets.offsets), [str(i) for i in range(len(graphs))]
        )

    def _graphs(self, where: str, content: bytes) -> Labelled:
        """The graphs of one pickle: tuples of node features, edge features, edge index and classes."""
        items = read_pickle(content, where)
        if not isinstance(items, list | tuple) or not items:
            raise InputError(f"{where}: found a {type(items).__name__}, expected a list of graphs")
        graphs, classes, size = [], [], 0
        for number, item in enumerate(items[: self.limit]):
            try:
                graph, found = self._graph(item)
            except (ValueError, TypeError, IndexError) as error:
                raise InputError(f"{where}: graph {number}: {error}") from error
            size += graph.numbers.nbytes + graph.edge_numbers.nbytes
            check_unpacked(where, size, len(content))  # a pickle may list one array many times
            graphs.append(graph)
            classes.append(found)
        return graphs, classes

    def _graph(self, item: Any) -> tuple[RawGraph, np.ndarray]:
        nodes, carried, index, classes = map(np.asarray, item)
        for name, values in (("edge index", index), ("classes", classes)):
            if values.size and values.dtype.kind not in "iu":
                raise ValueError(f"the {name} holds {values.dtype}, expected integers")
        check_numbers("node", nodes)
        check_numbers("edge", carried)
        both = Graph(nodes.astype(np.float32), index.T.astype(np.int64), carried.astype(np.float32), directed=True)
        once = listed_once(both)
        if once is None:
            raise ValueError("an edge has no other direction, expected both with the same features")
        places = np.searchsorted(self.classes, classes)
        wrong = np.flatnonzero(np.array(self.classes)[places.clip(max=len(self.classes) - 1)] != classes)
        if len(classes) != both.order or len(wrong):
            raise ValueError(f"found {len(classes)} classes for {both.order} nodes, expected known ones of each")
        no_nodes, no_edges = np.zeros((both.order, 0), np.int64), np.zeros((len(once), 0), np.int64)
        ends = both.ends[once].astype(np.uint16 if both.order < 1 << 16 else np.int64)
        return RawGraph(both.nodes, no_nodes, ends, both.edge_features[once], no_edges), places.astype(np.int64)
