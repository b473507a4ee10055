"""From what a user says of the data to its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampleformer.data.graph.graph_reading import holds_graphs
from sampleformer.data.point_cloud.array_rows import holds_cloud_arrays
from sampleformer.data.point_cloud.cloud_folders import FOLDER, holds_clouds
from sampleformer.data.prepared import Manifest, is_prepared
from sampleformer.errors import InputError
from sampleformer.tables.table import SUFFIXES as TABLES


@dataclass(frozen=True)
class Kind:
    """A kind of data that users bring.

    Args:
        source: its name in `SOURCES`.
        recipe: what a training starts from if no recipe is named.
        flag: option that says that the data is of this kind.
        words: what the option is for.
        named: whether the options of a user say so.
        seen: whether what lies at a path says so.
    """

    source: str
    recipe: str
    flag: str
    words: str
    named: Callable[[Mapping[str, Any]], bool]
    seen: Callable[[str], bool] = lambda path: False


# What options say goes before what lies at the path, and of several that are seen the first is taken.
KINDS = [
    Kind("text", "texts", "--text COLUMN", "a table of texts", lambda asked: "text" in asked),
    Kind("smiles", "molecules", "--smiles COLUMN", "a table of molecules", lambda asked: "smiles" in asked),
    Kind(
        "cloud_table", "clouds", "--cloud COLUMN", "a table of point clouds or meshes", lambda asked: "cloud" in asked
    ),
    Kind(
        "cloud_arrays",
        "clouds",
        "a file .npz or .h5",
        "point clouds in arrays",
        lambda asked: False,
        holds_cloud_arrays,
    ),
    Kind(
        "graphs",
        "graphs",
        "--edges FILE",
        "graphs (or a folder with edges.csv, a file .npz or .pt)",
        lambda asked: bool({"nodes", "edges", "graphs"} & asked.keys()),
        holds_graphs,
    ),
    Kind(
        "clouds",
        "clouds",
        "--label folder",
        "a folder of point clouds or meshes, a sub-folder for each class",
        lambda asked: asked.get("label") == FOLDER and not str(asked.get("path", "")).endswith(TABLES),
        holds_clouds,
    ),
    Kind("numbers", "numbers", "--numbers", "a table of numbers", lambda asked: bool(asked.get("numbers"))),
]


_OF_INPUTS = {
    "text": "texts",
    "numbers": "numbers",
    "pixels": "numbers",
    "smiles": "molecules",
    "graph": "graphs",
    "cloud": "clouds",
}
"""Recipe for prepared data by the kind of its inputs."""


def prepared_manifest(asked: Mapping[str, Any]) -> Manifest | None:
    """The manifest of prepared data; None: the data is not prepared.

    Args:
        asked: What options say of the data.

    Raises:
        InputError: if the folder cannot be used, or options say what was decided when it was prepared.
    """
    path = asked.get("path")
    if not isinstance(path, str) or not is_prepared(path):
        return None
    if others := sorted(asked.keys() - {"path"}):
        raise InputError(
            f"--{others[0].replace('_', '-')}: found it beside {path}, whose data is prepared; give it to "
            "`sampleformer data prepare`"
        )
    return Manifest.read(path)


def prepared_kind(manifest: Manifest) -> Kind:
    """The kind of prepared data, whose recipe is that of its inputs."""
    recipe = _OF_INPUTS.get(manifest.inputs, "texts")
    return Kind("prepared", recipe, "--data DIR", "prepared data", lambda asked: True)


def named_kind(asked: Mapping[str, Any]) -> Kind | None:
    """The kind of data that options say; None: they say none.

    Raises:
        InputError: if they say several.
    """
    named = [kind for kind in KINDS if kind.named(asked)]
    if len(named) > 1:
        raise InputError(f"{' and '.join(kind.flag for kind in named)}: expected one kind of data, got several")
    return named[0] if named else None


def seen_kind(asked: Mapping[str, Any]) -> Kind | None:
    """The kind of data that lies at the path; None: nothing says one."""
    path = str(asked.get("path", ""))
    return next((kind for kind in KINDS if path and kind.seen(path)), None)


def kind_of(asked: Mapping[str, Any]) -> Kind:
    """The kind of the user's own data.

    Raises:
        InputError: if options say several, or nothing says one, or nothing lies at the path that could say one.
    """
    kind = named_kind(asked) or seen_kind(asked)
    if kind is None and "columns" in asked:  # graphs have columns too, but are named or seen
        kind = next(kind for kind in KINDS if kind.source == "numbers")
    path = asked.get("path")
    if kind is None and path is not None and not Path(path).exists():
        raise InputError(f"{path}: no such file or folder")
    if kind is None:
        *most, last = [f"{kind.flag} for {kind.words}" for kind in KINDS]
        raise InputError(f"--data: expected {', '.join(most)}, or {last}")
    return kind
