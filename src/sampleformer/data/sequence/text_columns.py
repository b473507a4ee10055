"""Columns of texts as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
from sampleformer.tables.memory import is_frame, sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES
from sampleformer.tables.text import TextFile
from sampleformer.tables.values import value_words
from sampleformer.tasks import Contents
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.tables.table import Table

LONGEST = 65_536


class TextColumns(Inputs, kind="text"):
    """A text of each row: that of a column, or those of several, a title and a body say, joined by line breaks.

    A text that stands alone, in no column, is taken as it is.

    Args:
        columns: their names, in the order in which they are joined. One at least.
        tokenizer: cuts the texts.
        max_length: longer texts are cut to so many tokens and counted. None: a text over 65 536 tokens is wrong.
    """

    has_source = True
    file_suffixes = (".txt", *SUFFIXES)
    view_settings = frozenset({"max_length"})

    def __init__(self, columns: list[str], tokenizer: Tokenizer, max_length: int | None = None) -> None:
        self.columns = columns
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {"vocabulary": self.tokenizer.vocabulary}

    def with_learnt(self, other: Inputs) -> TextColumns:
        self._alike(other)
        assert isinstance(other, TextColumns)
        return TextColumns(self.columns, other.tokenizer, self.max_length)

    @property
    def contents(self) -> Contents:
        return Contents(labels=self.tokenizer.names, unknown=self.tokenizer.unknown)

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_texts(table, self.columns, report)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        first, *others = self.columns
        for table in sample_tables(samples, first, rows):
            alone = not is_frame(samples) and len(table.columns) == 1  # texts, and no mapping that has all columns
            missing: dict[str, Any] = dict.fromkeys(others, [None] * len(table)) if alone else {}
            yield replace(table, columns={**table.columns, **missing})

    @property
    def value_schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    @property
    def row_schema(self) -> dict[str, Any]:
        return dict.fromkeys(self.columns, self.value_schema)

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
                f"{self._named}: found a text of {count(len(codes), 'token')}, expected at most {LONGEST:,}; "
                "set max_length to cut longer texts",
            )
            return codes[:0]
        return codes

    @property
    def _named(self) -> str:
        kind = "column" if len(self.columns) == 1 else "columns"
        return f"{kind} {', '.join(map(repr, self.columns))}"

    def pieces(self, sample: Sample) -> list[str]:
        return self.tokenizer.pieces(sample.features, sample.source)

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "tokenizer": self.tokenizer.to_json(), "max_length": self.max_length}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TextColumns:
        tokenizer = tokenizer_from_json(values.pop("tokenizer"))
        return construct(cls, values, "inputs", tokenizer=tokenizer)


def parse_texts(table: Table, columns: Sequence[str], report: RowReport) -> np.ndarray:
    """Texts of each row, ``(rows,)``, those of several columns joined by line breaks, empty ones left out.

    A missing one is an empty text; anything else than text is reported.
    """
    parts: list[list[str]] = [[] for _ in range(len(table))]
    for column in columns:
        for row, value in enumerate(table.column(column)):
            if isinstance(value, str):
                parts[row] += [value] if value else []
            elif value is not None:
                report.add(row, f"column {column!r}: found {value_words(value)}, expected a text")
    texts = np.empty(len(table), dtype=object)
    texts[:] = ["\n".join(each) for each in parts]
    return texts
