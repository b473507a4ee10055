"""One's own list of PyTorch Geometric's graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.pyg_source import PygSource


class GraphList(PygSource):
    """Graphs in memory, for `train(recipe, output, source=…)`.

    Predictions for further graphs: save a list of them with `torch.save` and give the file .pt.

    Args:
        graphs: a list of `torch_geometric.data.Data`, or any dataset of PyTorch Geometric.
        valid, test: the same for validation and test. None: as their masks say, or seeded tenths.
        label: "y", or "y0", "y1", … if there are several targets; or "link". None: all.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        task: Name of the task in `TASKS`, or an import path. None: inferred.
        seed: seed of the splits.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> ring, path = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([[0, 1], [1, 2]])
        >>> graphs = [Data(num_nodes=3, edge_index=(ring, path)[k % 2], y=torch.tensor([k % 2])) for k in range(40)]
        >>> splits = GraphList(graphs).load()
        >>> len(splits.train), splits.encoding.task.labels
        (32, ['0', '1'])
    """

    def __init__(
        self,
        graphs: Sequence[Any],
        valid: Sequence[Any] | None = None,
        test: Sequence[Any] | None = None,
        label: str | list[str] | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        task: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            "graphs",
            label or "y",
            Places(identifiers, laplacian, random_walk),
            task=task,
            seed=seed,
        )
        if (valid is None) != (test is None):
            raise ValueError("found one of valid and test, expected both or none")
        self.parts = {"train": list(graphs)}
        if valid is not None and test is not None:
            self.parts |= {"valid": list(valid), "test": list(test)}

    def read(self) -> GraphRows:
        return self.rows_of(self.parts)
