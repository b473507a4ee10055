"""Tables of texts."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from typing_extensions import Unpack

from sampleformer.data.sequence.text_columns import TextColumns, parse_texts
from sampleformer.data.sequence.tokenizers import TOKENIZERS, FileTokenizer, Tokenizer
from sampleformer.data.table_loading import Values
from sampleformer.data.table_source import RowOptions, TableSource
from sampleformer.data.user_files import files_at
from sampleformer.errors import InputError, nearest, shown
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table


class TextTable(TableSource):
    """A table with a column of texts, or several, read as words, characters or bytes.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file.
        text: column of the texts, or several, whose texts are joined by line breaks.
        label: target column, or several.
        tokens: "bytes", "characters", "words" (words and punctuation marks), "whitespace" (what it separates), or the
            path of a ``tokenizer.json`` of the library tokenizers, whose vocabulary no other setting changes.
        max_length: longer texts are cut to so many tokens and counted. None: a text over 65 536 tokens is an error.
        min_count: characters and words seen less often in the training part are unknown; one code stands for them all,
            and is trained on them.
        max_vocabulary: at most so many characters or words, the most frequent. None: all.
        rows: ``valid``, ``test``, ``task``, ``id``, ``limit``, ``seed``, ``on_error`` and ``format``: which rows are
            for what, and how the files are read, see `RowOptions`.
    """

    row_by_row = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        text: str | list[str],
        label: str | list[str] | None = None,
        tokens: str = "words",
        max_length: int | None = None,
        min_count: int = 2,
        max_vocabulary: int | None = None,
        **rows: Unpack[RowOptions],
    ) -> None:
        super().__init__(path, label, **rows)
        if tokens not in TOKENIZERS and not tokens.endswith(".json"):
            raise InputError(
                f"tokens: found {tokens!r}; {nearest(tokens, TOKENIZERS)}, or the path of a tokenizer.json"
            )
        named = [text] if isinstance(text, str) else text
        if not named or len(set(named)) < len(named):
            raise InputError(f"text: found {shown(text)}, expected a column, or several different ones")
        for name, value in (("max_length", max_length), ("min_count", min_count), ("max_vocabulary", max_vocabulary)):
            if value is not None and value < 1:
                raise InputError(f"{name}: found {value}, expected at least 1")
        self.text = named
        self.tokens = tokens
        self.max_length = max_length
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary

    def files(self) -> dict[str, list[Path]]:
        return super().files() | ({} if self.tokens in TOKENIZERS else {"tokens": files_at(self.tokens)})

    def input_columns(self, table: Table) -> list[str]:
        return self.text

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        return parse_texts(table, self.text, report)

    def learn_inputs(self, columns: list[str], values: Values) -> TextColumns:
        return TextColumns(self.text, self._tokenizer(values), self.max_length)

    def _tokenizer(self, texts: Iterable[str]) -> Tokenizer:
        if self.tokens not in TOKENIZERS:
            return FileTokenizer.read(self.tokens)
        return TOKENIZERS[self.tokens].learn(texts, self.min_count, self.max_vocabulary)
