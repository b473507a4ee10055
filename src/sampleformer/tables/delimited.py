"""CSV and TSV files."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, NamedTuple

from sampleformer.errors import InputError
from sampleformer.tables.fields import Fields, RecordColumn, UnreadableRows, column_names, up_to
from sampleformer.tables.text import TextFile
from sampleformer.wording import count

logger = logging.getLogger("sampleformer")

_LONGEST_FIELD = 2**31 - 1
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAMPLED_ROWS = 50
_WIDE = 1000
"""Columns from which on a table of fewer rows keeps its records: turning it over takes as long as reading it."""
_SAID = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)  # a first line by which Excel knows the separator


def read_delimited(
    text: TextFile, usual: str, separator: str | None, wrong: UnreadableRows, most: int | None
) -> Iterator[Fields]:
    """A file with a header, in pieces. Blank lines and rows of nothing but empty fields do not count.

    Args:
        text: File.
        usual: Separator of files with such a name.
        separator: Separator of this file. None: the usual one, or that which alone cuts header and rows alike.
        wrong: Report of rows that cannot be read.
        most: Largest number of rows in a piece. None: all.

    Yields:
        One piece at least, which has no rows if the file has none.

    Raises:
        InputError: if the header or a row cannot be read.
    """
    said = _SAID.match(text.head)
    separator = separator or (said[1] if said else _separator(text, usual))
    records = _Records(text, separator, wrong, start=1 if said else 0)
    first = True
    while True:
        with _long_fields():
            found = up_to(records, most, lambda record: sum(map(len, record.fields)))
        if found or first:
            yield Fields(records.columns(found), [each.row for each in found], [each.line for each in found])
        first = False
        if most is None or not found:
            break
    wrong.log()
    if records.empty:
        logger.info("%s: rows of empty fields left out: %d", text.path, records.empty)


class _Record(NamedTuple):
    """Fields of a row, its number below the header, and the line on which it begins."""

    row: int
    line: int
    fields: list[str]


class _Records:
    """The records below the header, one after the other.

    Args:
        text: File.
        separator: Character between fields.
        wrong: Report of rows that cannot be read.
        start: Lines before the header.

    Raises:
        InputError: if the header cannot be read.
    """

    def __init__(self, text: TextFile, separator: str, wrong: UnreadableRows, start: int) -> None:
        self.text = text
        self.wrong = wrong
        self.empty = 0
        self.names: list[str] = []
        self._broken = False
        self._start = start
        self._reader = _Reader(islice(self._lines(), start, None), separator)
        self._row = 0
        with _long_fields():
            line, header = self._header()
        self.names = column_names(text.path, header)
        self._fewest = _named(header)
        if self._broken and (found := next(filter(None, map(text.broken, header)), None)):
            raise InputError(f"{text.path}: header (line {line}): {found}")

    def __iter__(self) -> Iterator[_Record]:
        return self

    def __next__(self) -> _Record:
        while True:
            line, fields = self._next()
            self._row += 1
            place = f"row {self._row} (line {line})"
            if isinstance(fields, str):
                self.wrong.add(place, fields)
            # Excel leaves the last fields of a row out where the column has no name and no value.
            elif not self._fewest <= len(fields) <= len(self.names):
                expected = f"expected {len(self.names)} as in the header"
                self.wrong.add(place, f"found {count(len(fields), 'field')}, {expected}")
            elif self._broken and (problem := self._broken_field(fields)):
                self.wrong.add(place, problem)
            else:
                fields.extend([""] * (len(self.names) - len(fields)))
                return _Record(self._row, line, fields)

    def columns(self, records: list[_Record]) -> dict[str, Sequence[Any]]:
        """The values of each column."""
        if len(self.names) > max(_WIDE, len(records)):
            rows = [record.fields for record in records]
            return {name: RecordColumn(rows, place) for place, name in enumerate(self.names)}
        values = map(list, zip(*(record.fields for record in records), strict=True))
        return dict(zip(self.names, values if records else ([] for _ in self.names), strict=True))

    def _header(self) -> tuple[int, list[str]]:
        try:
            line, header = self._next()
        except StopIteration:
            raise InputError(f"{self.text.path}: the file is empty") from None
        if isinstance(header, str):
            raise InputError(f"{self.text.path}: header (line {line}): {header}")
        return line, header

    def _next(self) -> tuple[int, list[str] | str]:
        """First line and fields of the next record that is not empty, or what is wrong with it."""
        while True:
            self._broken = False
            before = self._reader.line_num
            line = before + 1 + self._start
            try:
                fields = next(self._reader)
            except csv.Error as error:
                return line, _problem(error, self._reader.line_num - before)
            if any(map(str.strip, fields)) or (len(fields) == 1 and self.names):  # a text may be empty, a header not
                return line, fields
            if fields and self.names:  # numbered, so that the rows below keep the numbers that other programs give
                self.empty += 1
                self._row += 1

    def _lines(self) -> Iterator[str]:
        for line in self.text.lines():
            self._broken = self._broken or self.text.broken(line) is not None
            yield line

    def _broken_field(self, fields: list[str]) -> str | None:
        found = zip(self.names, map(self.text.broken, fields), strict=False)
        return next((f"column {name!r}: {problem}" for name, problem in found if problem), None)


class _Reader:
    """Fields of one record after the other, as `csv.reader` gives them; lines without quotes are cut faster.

    Args:
        lines: Lines with their ends.
        separator: Character between fields.
    """

    def __init__(self, lines: Iterator[str], separator: str) -> None:
        self.line_num = 0
        self._lines = lines
        self._separator = separator

    def __next__(self) -> list[str]:
        line = next(self._lines)
        if '"' in line:
            records = csv.reader(chain([line], self._lines), delimiter=self._separator, strict=True)
            try:
                return next(records)
            finally:
                self.line_num += records.line_num
        self.line_num += 1
        fields = line.rstrip("\r\n")
        return fields.split(self._separator) if fields else []


def _problem(error: csv.Error, lines: int) -> str:
    if str(error) == "unexpected end of data":
        return (
            f"not a valid record: a quote opens a field and does not close it before the file ends, {lines} lines on; "
            "the file is cut short, or the quote is one too many"
        )
    return f"not a valid record ({error})"


def _separator(text: TextFile, usual: str) -> str:
    """The usual separator, unless another one alone cuts the header and the first rows into as many fields."""
    if _even(text, usual):
        return usual
    others = [each for each in _SEPARATORS if each != usual and _even(text, each)]
    if len(others) != 1:
        return usual
    logger.info("%s: fields between %s", text.path, _SEPARATORS[others[0]])
    return others[0]


def _even(text: TextFile, separator: str) -> bool:
    """Whether a separator cuts the first records into several fields, each into as many."""
    try:
        with _long_fields():
            records = csv.reader(io.StringIO(text.head, newline=""), delimiter=separator, strict=text.whole)
            found = list(islice(records, _SAMPLED_ROWS))
    except csv.Error:
        return False
    found = found if text.whole or len(found) == _SAMPLED_ROWS else found[:-1]
    counts = [(_named(record), len(record)) for record in found if _named(record)]
    if not counts or counts[0][0] < 2:
        return False
    return all(counts[0][0] <= count <= counts[0][1] for _, count in counts)


def _named(record: list[str]) -> int:
    """Number of fields up to the last that is not blank."""
    return next((place for place in range(len(record), 0, -1) if record[place - 1].strip()), 0)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lets the csv module read fields of any length."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
