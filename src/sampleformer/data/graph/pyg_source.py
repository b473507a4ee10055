"""What sources of PyTorch Geometric's graphs share."""

from __future__ import annotations

from dataclasses import replace

from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.graph_source import SPLIT, GraphSource
from sampleformer.data.graph.pyg import graphs_of_dataset
from sampleformer.data.graph.pyg_rows import rows_of_pyg
from sampleformer.errors import InputError

PARTS = {"train": "train", "valid": "val", "test": "test"}


class PygSource(GraphSource):
    """Graphs of PyTorch Geometric; new ones are read from files .pt, see `read_pyg_file`."""

    def rows_of(self, parts: dict[str, list]) -> GraphRows:
        """The graphs of a dataset, or of its parts under their names.

        Raises:
            InputError: if there are none, or an item is no graph.
        """
        items = [item for part in parts.values() for item in part]
        if not items:
            raise InputError(f"{self.path}: found no graphs, expected at least one")
        rows = rows_of_pyg(str(self.path), graphs_of_dataset(items))
        if len(parts) == 1:
            return rows
        split = [name for name, part in parts.items() for _ in part]
        return replace(rows, columns={**rows.columns, SPLIT: split})
