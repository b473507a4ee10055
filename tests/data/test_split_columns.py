"""Columns that tell which rows are for training, validation and test."""

import numpy as np
import pytest

from sampleformer.data.split_columns import rows_of_splits
from sampleformer.errors import InputError
from sampleformer.tables.table import Table


def rows(columns: dict[str, str], **values: list) -> dict[str, list[int]]:
    size = len(next(iter(values.values())))
    found = rows_of_splits(Table("a.csv", values, range(1, size + 1)), np.arange(size), columns)
    return {split: places.tolist() for split, places in found.items()}


def test_names() -> None:
    names = ["train", "Validation", "test", "dev", "TRAINING", "val", "valid"]
    expected = {"train": [0, 4], "valid": [1, 3, 5, 6], "test": [2]}
    assert rows({"test": "s"}, s=names) == expected
    assert rows({"valid": "s", "test": "s"}, s=names) == expected


@pytest.mark.parametrize(
    "values", [["0", "1", "", "1"], [False, True, None, True], [0.0, 1.0, 0, 1], ["no", "yes"] * 2]
)
def test_flags(values: list) -> None:
    assert rows({"test": "t"}, t=values) == {"train": [0, 2], "test": [1, 3]}


def test_two_columns() -> None:
    assert rows({"valid": "v", "test": "t"}, v=[1, 0, 0], t=[0, 1, 0]) == {"train": [2], "valid": [0], "test": [1]}


def test_columns_that_disagree() -> None:
    with pytest.raises(InputError, match="a.csv: row 2: column 't' says test, but another column says valid"):
        rows({"valid": "v", "test": "t"}, v=[0, 1, 0], t=[0, 1, 0])


def test_value_that_is_neither_name_nor_flag() -> None:
    with pytest.raises(InputError, match="a.csv: row 2: column 's': found 'tset', expected train, valid or test, or 0"):
        rows({"test": "s"}, s=["train", "tset"])


@pytest.mark.parametrize(("values", "split"), [(["train", "valid"], "test"), (["test", "test"], "train")])
def test_split_without_rows(values: list[str], split: str) -> None:
    with pytest.raises(InputError, match=f"a.csv: by the column 's' no row is for {split}"):
        rows({"test": "s"}, s=values)
