"""Folders that ``save_to_disk`` of Hugging Face's datasets writes: Arrow files, and JSON that says what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampleformer.documents import read_json
from sampleformer.errors import InputError, listed
from sampleformer.extras import require
from sampleformer.reading import check_file, reading
from sampleformer.tables.fields import PIECE_CHARACTERS, Fields, UnreadableRows, clean_name, column_names
from sampleformer.tables.parquet import arrow_fields

_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_PARTS = {"valid": ("validation", "valid", "val", "dev"), "test": ("test",)}


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder holds one saved dataset."""
    return (path / _STATE).is_file() and (path / _INFO).is_file()


def is_saved_splits(path: Path) -> bool:
    """Whether a folder holds the splits of a saved ``DatasetDict``."""
    return (path / _SPLITS).is_file()


def saved_parts(path: Path) -> dict[str, Path]:
    """The folders of a saved ``DatasetDict``: "train", and "valid" and "test" where there are such splits.

    Raises:
        InputError: if it has no split for training.
    """
    names = [str(name) for name in _of_json(path / _SPLITS, "splits", list)]
    if "train" not in names:
        raise InputError(
            f"{path}: found the splits {listed(names)}, expected one named 'train'; give the folder of one of them"
        )
    found = {part: next((name for name in known if name in names), None) for part, known in _PARTS.items()}
    return {"train": path / "train"} | {part: path / name for part, name in found.items() if name is not None}


def read_saved_dataset(path: Path, wrong: UnreadableRows, most: int | None) -> Iterator[Fields]:
    """A saved dataset, in pieces. Classes are named; one that is unknown, −1, is an empty field.

    Args:
        path: Its folder.
        wrong: Report of rows that cannot be read.
        most: Largest number of rows in a piece. None: all.

    Yields:
        One piece at least, which has no rows if the dataset has none.

    Raises:
        InputError: if pyarrow is not installed, or a file is missing or cannot be read.
    """
    arrow = require("pyarrow", "parquet", str(path))
    files = [_within(path, each) for each in _of_json(path / _STATE, "_data_files", list)]
    classes = _class_names(_of_json(path / _INFO, "features", dict))
    pieces: list[Any] = []
    names: list[str] = []
    start = 1
    for file in files:
        check_file(file)
        with reading(file, "an Arrow file of a saved dataset"), arrow.memory_map(str(file)) as mapped:
            stream = arrow.ipc.open_stream(mapped)
            names = column_names(path, stream.schema.names)
            for batch in stream:
                for piece in _cut(batch, most):
                    if most is None:
                        pieces.append(piece)
                        continue
                    yield _fields(names, piece, start, classes, wrong)
                    start += len(piece)
    if most is None and pieces:
        yield _fields(names, arrow.Table.from_batches(pieces), start, classes, wrong)
    elif start == 1:
        yield Fields({name: [] for name in names}, [], None)
    wrong.log()


def _cut(batch: Any, most: int | None) -> Iterator[Any]:
    """A batch in pieces of so many rows, and of few characters."""
    rows = len(batch) if most is None else max(1, min(most, len(batch) * PIECE_CHARACTERS // max(batch.nbytes, 1)))
    for place in range(0, len(batch), max(rows, 1)):
        yield batch.slice(place, rows)


def _fields(
    names: Sequence[str], rows: Any, start: int, classes: Mapping[str, list[str]], wrong: UnreadableRows
) -> Fields:
    fields = arrow_fields(names, rows.columns, start, wrong)
    columns = {
        name: [_name(code, classes[name]) for code in values] if name in classes else values
        for name, values in fields.columns.items()
    }
    return fields._replace(columns=columns)


def _name(code: Any, names: list[str]) -> str | None:
    if code is None or code == -1:
        return None
    return names[code] if isinstance(code, int) and 0 <= code < len(names) else str(code)


def _class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the classes of each column of classes."""
    named = {}
    for column, feature in features.items():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            named[clean_name(column)] = [str(name) for name in feature.get("names") or ()]
    return named


def _within(folder: Path, entry: Any) -> Path:
    """A file that the folder names, which must lie in it."""
    name = entry.get("filename") if isinstance(entry, dict) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError(f"{folder / _STATE}: _data_files: found {entry!r}, expected the name of a file in the folder")
    return folder / name


def _of_json(path: Path, name: str, kind: type) -> Any:
    value = read_json(path, "a file of a saved dataset").get(name)
    if not isinstance(value, kind):
        raise InputError(f"{path}: found no {kind.__name__} {name!r}, expected a file of a saved dataset")
    return value
