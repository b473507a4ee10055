"""Files in which PyTorch Geometric's graphs are saved."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from sampleformer.data.graph.pyg import PygGraph, graphs_of_dataset
from sampleformer.errors import InputError
from sampleformer.extras import require


def read_pyg_file(path: str | os.PathLike[str]) -> list[PygGraph]:
    """The graphs in a file that `torch.save` wrote; nothing in the file is executed.

    Args:
        path: of a file with a list of `torch_geometric.data.Data`, a single one, or what `InMemoryDataset.save` writes
            (a dataset's ``processed/data.pt``).

    Raises:
        InputError: if the file is missing, damaged, or holds anything else; or PyTorch Geometric is not installed.
    """
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
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: found a folder, expected a file that torch.save wrote")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: found no file that torch.save wrote, or one that is cut short")
    data = require("torch_geometric.data.data", "graph")
    storage = require("torch_geometric.data.storage", "graph")
    safe = [data.Data, data.DataEdgeAttr, data.DataTensorAttr, storage.GlobalStorage]
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at its checksums
            damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{path}: {damaged} is damaged: its checksum is another one")
        with torch.serialization.safe_globals(safe):
            others = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            if not others:
                return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        first = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: cannot be read ({first})") from error
    raise InputError(f"{path}: found objects of {', '.join(sorted(others))}, expected nothing but Data and tensors")


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
    for name, places in starts.items():
        places = torch.as_tensor(places)
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
    if isinstance(content, list | tuple) and content:
        kinds = sorted({type(item).__name__ for item in content})
        return f"a {type(content).__name__} of {', '.join(kinds)}"
    return f"an empty {type(content).__name__}" if content in ([], (), {}) else f"a {type(content).__name__}"
