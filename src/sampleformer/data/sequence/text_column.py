"""A column of texts as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.data.inputs import Inputs
from sampleformer.data.sequence.tokenizers import Tokenizer, tokenizer_from_json
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.format import TableFormat
from sampleformer.tables.memory import sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES
from sampleformer.tables.text import TextFile
from sampleformer.tables.values import value_words
from sampleformer.tasks import Contents
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.tables.table import Table

LONGEST = 65_536


class TextColumn(Inputs, kind="text"):
    """A column of texts, one sample each.

    Args:
        column: its name.
        tokenizer: cuts the texts.
        max_length: longer texts are cut to so many tokens and counted. None: a text over 65 536 tokens is wrong.
    """

    has_source = True
    file_suffixes = (".txt", *SUFFIXES)
    view_settings = frozenset({"max_length"})

    def __init__(self, column: str, tokenizer: Tokenizer, max_length: int | None = None) -> None:
        self.column = column
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {"vocabulary": self.tokenizer.vocabulary}

    def with_learnt(self, other: Inputs) -> TextColumn:
        self._alike(other)
        assert isinstance(other, TextColumn)
        return TextColumn(self.column, other.tokenizer, self.max_length)

    @property
    def contents(self) -> Contents:
        return Contents(labels=self.tokenizer.names, unknown=self.tokenizer.unknown)

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_texts(table, self.column, report)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        return sample_tables(samples, self.column, rows)

    @property
    def value_schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    @property
    def row_schema(self) -> dict[str, Any]:
        return {self.column: self.value_schema}

    def samples_in(self, path: Path, format: TableFormat, most: int) -> list[tuple[str, Any]]:
        if path.suffix.lower() != ".txt":
            return super().samples_in(path, format, most)
        text = TextFile.open(path, encoding=format.encoding)
        whole = "".join(text.lines())
        if problem := text.broken(whole):
            raise InputError(f"{path}: {problem}")
        return [("", whole.removeprefix("\ufeff"))]

    def is_one(self, value: Any) -> bool:
        return isinstance(value, str | Mapping)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        codes = [self._encode_one(row, text, report) for row, text in enumerate(values)]
        offsets = np.concatenate([[0], np.cumsum([len(code) for code in codes], dtype=np.int64)])
        features = np.concatenate(codes) if codes else self.tokenizer.encode("")
        return TokenSets(features, offsets, list(values))

    def _encode_one(self, row: int, text: str, report: RowReport) -> np.ndarray:
        codes = self.tokenizer.encode(text)
        report.empty += len(codes) == 0
        if self.max_length is not None and len(codes) > self.max_length:
            report.truncated += 1
            return codes[: self.max_length]
        if len(codes) > LONGEST:
            report.add(
                row,
                f"column {self.column!r}: found a text of {count(len(codes), 'token')}, expected at most {LONGEST:,}; "
                "set max_length to cut longer texts",
            )
            return codes[:0]
        return codes

    def pieces(self, sample: Sample) -> list[str]:
        return self.tokenizer.pieces(sample.features, sample.source)

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "tokenizer": self.tokenizer.to_json(), "max_length": self.max_length}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TextColumn:
        tokenizer = tokenizer_from_json(values.pop("tokenizer"))
        return construct(cls, values, "inputs", tokenizer=tokenizer)


def parse_texts(table: Table, column: str, report: RowReport) -> np.ndarray:
    """Texts of a column, ``(rows,)``; a missing one is an empty text, anything else than text is reported."""
    texts = np.empty(len(table), dtype=object)
    for row, value in enumerate(table.column(column)):
        texts[row] = value if isinstance(value, str) else ""
        if value is not None and not isinstance(value, str):
            report.add(row, f"column {column!r}: found {value_words(value)}, expected a text")
    return texts
