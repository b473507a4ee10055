"""Files in which PyTorch Geometric's graphs are saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from sampleformer.data.graph.pyg import PygGraph, graphs_of_dataset
from sampleformer.errors import InputError, listed
from sampleformer.extras import require
from sampleformer.reading import reading
from sampleformer.unpacking import open_zip

KIND = "a file of graphs that torch.save wrote"


def read_pyg_file(path: str | os.PathLike[str]) -> list[PygGraph]:
    """The graphs in a file that `torch.save` wrote; nothing in the file is executed.

    Args:
        path: of a file with a list of `torch_geometric.data.Data`, a single one, or what `InMemoryDataset.save` writes
            (a dataset's ``processed/data.pt``).

    Raises:
        InputError: if the file is missing, damaged, or holds anything else; or PyTorch Geometric is not installed.
    """
    with reading(path, KIND):
        content = _load(Path(path))
        kind = require("torch_geometric.data", "graph").Data
        if isinstance(content, kind):
            content = [content]
        elif _is_collated(content):
            content = _separated(path, content)
        if not isinstance(content, list | tuple) or not content or not all(isinstance(item, kind) for item in content):
            raise InputError(f"{path}: found {_words(content)}, expected a list of torch_geometric.data.Data")
        try:
            return graphs_of_dataset(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _load(path: Path) -> Any:
    data = require("torch_geometric.data.data", "graph")
    storage = require("torch_geometric.data.storage", "graph")
    safe = [data.Data, data.DataEdgeAttr, data.DataTensorAttr, storage.GlobalStorage]
    with open_zip(path, KIND) as archive:
        damaged = archive.testzip()  # torch does not look at the checksums
        if damaged is not None:
            raise InputError(f"{path}: {damaged} is damaged: its checksum is another one")
    with torch.serialization.safe_globals(safe):
        others = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        if others:
            named = listed(sorted(others))
            raise InputError(f"{path}: found objects of {named}, expected nothing but Data and tensors")
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_collated(content: Any) -> bool:
    """Whether something is what an `InMemoryDataset` saves: all graphs in one, and where each begins."""
    return isinstance(content, tuple) and len(content) in (2, 3) and isinstance(content[1], dict)


def _separated(path: str | os.PathLike[str], content: tuple[Any, ...]) -> list[Any]:
    """The graphs of an `InMemoryDataset`."""
    kind = require("torch_geometric.data", "graph").Data
    separate = require("torch_geometric.data.separate", "graph").separate
    whole, starts = content[:2]
    whole = kind.from_dict(whole) if isinstance(whole, dict) else whole
    number = _check_starts(path, whole, starts) - 1
    return [separate(kind, whole, index, starts, decrement=False) for index in range(number)]


def _check_starts(path: str | os.PathLike[str], whole: Any, starts: dict[str, Any]) -> int:
    """How many places of beginnings each attribute has; they rise, and the last is the attribute's size."""
    counts = set()
    for name, given in starts.items():
        places = torch.as_tensor(given)
        value = getattr(whole, name, None)
        size = value.size(whole.__cat_dim__(name, value)) if isinstance(value, torch.Tensor) and value.dim() else None
        counts.add(len(places) if places.dim() else 0)
        if places.dim() != 1 or not len(places) or places[0] != 0 or (places.diff() < 0).any():
            raise InputError(f"{path}: the places where {name!r} of each graph begins do not rise from 0")
        if value is None or (size is not None and size != int(places[-1])):
            found = "missing" if value is None else f"{size} long"
            raise InputError(f"{path}: {name!r} is {found}, expected {int(places[-1])} entries, those of all graphs")
    if len(counts) != 1:
        raise InputError(f"{path}: the attributes are of {sorted(counts)} graphs, expected as many of each")
    return counts.pop()


def _words(content: Any) -> str:
    kind = type(content).__name__
    if not isinstance(content, list | tuple | dict):
        return f"a {kind}"
    if not content:
        return f"an empty {kind}"
    return f"a {kind}" + ("" if kind == "dict" else f" of {listed(sorted({type(item).__name__ for item in content}))}")
