"""Readers of tables."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from sampleformer.data import NumberTable, TextTable
from tests.faults.reader import READERS, Reader
from tests.training.small import write_numbers, write_texts


def _rows(folder: Path, name: str, write: Callable[[Path], Path] = write_texts) -> list[dict[str, str]]:
    with write(folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def _texts_as_tsv(path: Path) -> None:
    rows = _rows(path.parent, "texts.csv")
    path.write_text("\n".join("\t".join(values) for values in [list(rows[0]), *(row.values() for row in rows)]))


def _texts_as_json(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in _rows(path.parent, "texts.csv")))


def _texts_as_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_rows(path.parent, "texts.csv")), path)


def _numbers_as_parquet(path: Path) -> None:
    columns = [[float(row[name]) for row in _rows(path.parent, "n.csv", write_numbers)] for name in ("a", "price")]
    lists = pyarrow.array([[1, 2], None, ["x"][:0]] * 20)
    names = ["a", "price", "list"]
    pyarrow.parquet.write_table(pyarrow.table([*map(pyarrow.array, columns), lists], names), path)


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress(write_texts(path.with_name("texts.csv")).read_bytes(), mtime=0))


def _load_texts(folder: Path, on_error: str, *, target: str) -> Any:
    return TextTable(folder / target, "review", "sentiment", on_error=on_error, id="id").load()


def _load_numbers(folder: Path, on_error: str, *, target: str, columns: list[str] | None) -> Any:
    return NumberTable(folder / target, "price", columns, on_error=on_error).load()


for _target, _make in {
    "a.csv": write_texts,
    "a.tsv": _texts_as_tsv,
    "a.jsonl": _texts_as_json,
    "a.parquet": _texts_as_parquet,
    "a.csv.gz": _packed,
}.items():
    _made = (lambda make, target: lambda folder: make(folder / target))(_make, _target)
    READERS[f"texts {_target[1:]}"] = Reader(_target, _made, partial(_load_texts, target=_target))
READERS["numbers .csv"] = Reader(
    "n.csv", lambda folder: write_numbers(folder / "n.csv"), partial(_load_numbers, target="n.csv", columns=None)
)
READERS["numbers .parquet"] = Reader(
    "n.parquet",
    lambda folder: _numbers_as_parquet(folder / "n.parquet"),
    partial(_load_numbers, target="n.parquet", columns=["a"]),
)
