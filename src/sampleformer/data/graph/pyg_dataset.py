"""Any dataset of PyTorch Geometric."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from torch.utils.data import Dataset

from sampleformer.data.cache import cache_folder
from sampleformer.data.graph.graph_rows import GraphRows
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.pyg_source import PARTS, PygSource
from sampleformer.errors import InputError, shown
from sampleformer.extras import require
from sampleformer.registry import check_trusted

_TRAIN = "train"
_PUBLISHED = "torch_geometric.datasets"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _+-]*")  # of names of datasets; no part of a path that leads elsewhere


class PygDataset(PygSource):
    """Any dataset of PyTorch Geometric, by the import path of its class.

    The target is the dataset's ``y``: of each graph, or of each node if it has an entry for each. A dataset that comes
    in parts (its class takes ``split``, with the default "train") is split as it comes; one with ``train_mask``,
    ``val_mask`` and ``test_mask`` as they say; any other into seeded tenths.

    Args:
        dataset: import path of the class: torch_geometric.datasets.TUDataset, or TUDataset for one of these.
        arguments: of the class. Without ``root``, the files go into the cache.
        label: columns of the target: "y", or "y0", "y1", … if there are several; or "link". None: all.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        task: Name of the task in `TASKS`, or an import path. None: inferred.
        limit: use at most so many graphs of each split.
        seed: seed of the splits.
    """

    def __init__(
        self,
        dataset: str,
        arguments: dict[str, Any] | None = None,
        label: str | list[str] | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            dataset,
            label or "y",
            Places(identifiers, laplacian, random_walk),
            task=task,
            limit=limit,
            seed=seed,
        )
        self.arguments = dict(arguments or {})
        self.made = _class_at(dataset)
        for name, value in self.arguments.items():
            _check_plain(name, value)

    def read(self) -> GraphRows:
        parameters = inspect.signature(self.made).parameters
        given = dict(self.arguments)
        if "root" in parameters:
            given.setdefault("root", str(cache_folder() / "pyg" / self.made.__name__))
        parted = "split" in parameters and parameters["split"].default == _TRAIN and "split" not in given
        if not parted:
            return self.rows_of({"": self._make(given)})
        return self.rows_of({ours: self._make(given | {"split": theirs}) for ours, theirs in PARTS.items()})

    def _make(self, arguments: dict[str, Any]) -> list[Any]:
        try:
            return list(self.made(**arguments))
        except (TypeError, ValueError, AssertionError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.path}: cannot be made with {arguments}: {reason[:300]}") from error


def _class_at(path: str) -> type[Any]:
    """The class of a dataset at an import path."""
    module, _, name = path.rpartition(".")
    require(_PUBLISHED, "graph")
    if module not in ("", _PUBLISHED):
        check_trusted("dataset", path, f"those of {_PUBLISHED} need no trust")
    try:
        found = getattr(importlib.import_module(module or _PUBLISHED), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a relative path
        raise InputError(f"dataset: cannot import {shown(path)}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise InputError(f"dataset: {shown(path)} is {shown(found)}, expected a class derived from torch's Dataset")
    return found


def _check_plain(name: str, value: Any) -> None:
    """Refuses, where code is not trusted, a path: datasets run what is pickled in their folder."""
    if isinstance(value, bool | int | float | None) or (isinstance(value, str) and _WORD.fullmatch(value)):
        return
    check_trusted(f"arguments.{name}", shown(value), "numbers and plain words need no trust")
