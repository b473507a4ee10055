"""Columns that tell which rows are for training, validation and test."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sampleformer.errors import InputError
from sampleformer.tables.table import Table
from sampleformer.tables.values import as_flag, label_text, value_words

_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def rows_of_splits(
    table: Table, index: np.ndarray, columns: Mapping[str, str], files: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Which rows belong to which split.

    A column either names the split of each row (train, valid, test, or common synonyms), and then gives all the splits
    it names; or it holds 1 for the rows of its own split and 0 for the others.

    Args:
        table: the table.
        index: the rows of it that are asked about.
        columns: for "valid", "test" or both, the column that tells.
        files: for splits that are read from files of their own, these.

    Returns:
        For "train", and for each other split found, the places in `index` of its rows.

    Raises:
        InputError: if a value is neither, a split has no rows, two columns disagree about a row, or a column names
            rows of a split that has a file.
    """
    splits = np.full(len(index), "train", dtype=object)
    for split, column in columns.items():
        values = table.column(column)
        for place, row in enumerate(index):
            found = _split_of(values[row], split)
            if found is None or (found != "train" and splits[place] not in ("train", found)):
                problem = (
                    f"column {column!r}: found {value_words(values[row])}, expected train, valid or test, or 0 or 1"
                    if found is None
                    else f"column {column!r} says {found}, but another column says {splits[place]}"
                )
                raise InputError(f"{table.path}: {table.place(int(row))}: {problem}")
            splits[place] = splits[place] if found == "train" else found
    for split in ("train", *columns):
        if not (splits == split).any():
            named = " and ".join(repr(column) for column in dict.fromkeys(columns.values()))
            raise InputError(f"{table.path}: by the column {named} no row is for {split}, expected at least one")
    parts = {split: np.flatnonzero(splits == split) for split in ("train", "valid", "test") if (splits == split).any()}
    for split in parts.keys() & (files or {}):
        raise InputError(f"{split}: given as the file {(files or {})[split]} and by a column, expected one of them")
    return parts


def named_splits(table: Table, column: str) -> set[str]:
    """The splits that a column names: "train", "valid", "test"."""
    texts = {(label_text(value) or "").lower() for value in table.column(column)}
    return {_NAMES[text] for text in texts if text in _NAMES}


def _split_of(value: Any, split: str) -> str | None:
    """The split that a value stands for in the column of `split`; None if it stands for none."""
    text = (label_text(value) or "").lower()
    if text in _NAMES:
        return _NAMES[text]
    flag = as_flag(value) if text else False
    return None if flag is None else split if flag else "train"
