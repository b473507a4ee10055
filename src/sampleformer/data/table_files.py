"""The contents of table files, with the place of every row."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.reading import check_file, reading
from sampleformer.unpacking import check_unpacked

logger = logging.getLogger("sampleformer")

_BROKEN = re.compile("[\udc80-\udcff]")  # how the "surrogateescape" handler marks bytes that are not UTF-8
_LONGEST_FIELD = 2**31 - 1


class Fields(NamedTuple):
    """What a file holds: names and values of the columns, number and line of each row, rows left out."""

    names: Sequence[str]
    values: Sequence[Sequence[Any]]
    rows: list[int]
    lines: list[int] | None
    unreadable: int


class _Lines:
    """Collects the rows of a text file, and stops at, or skips and counts, those that cannot be read."""

    def __init__(self, path: Path, content: bytes, on_error: str) -> None:
        self.path = path
        self.on_error = on_error
        self.unreadable = 0
        self.first = ""
        self.broken: UnicodeDecodeError | None = None
        content = content.removeprefix(b"\xef\xbb\xbf")
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            self.broken = error
            self.text = content.decode("utf-8", errors="surrogateescape")

    def is_broken(self, text: str) -> bool:
        """Whether a text holds bytes that are not UTF-8."""
        return self.broken is not None and _BROKEN.search(text) is not None

    def broken_message(self) -> str:
        """Words for the first byte of the file that is not UTF-8."""
        assert self.broken is not None
        return f"byte {self.broken.start} of the file (0x{self.broken.object[self.broken.start]:02x}) is not UTF-8"

    def wrong(self, place: str, message: str) -> None:
        """Reports a row that cannot be read."""
        if self.on_error == "stop":
            raise InputError(f"{self.path}: {place}: {message}")
        if not self.unreadable:
            self.first = f"{place}: {message}"
        self.unreadable += 1

    def log(self) -> None:
        """Logs one line that counts the rows that cannot be read."""
        if self.unreadable:
            logger.warning(
                "%s: skipped %d rows that cannot be read, the first: %s", self.path, self.unreadable, self.first
            )


def read_delimited(path: Path, content: bytes, delimiter: str, on_error: str) -> Fields:
    """A CSV or TSV file with a header.

    Raises:
        InputError: if a row cannot be read and `on_error` is "stop".
    """
    lines = _Lines(path, content, on_error)
    with _long_fields():
        records = _records(lines, delimiter)
        _, _, header = next(records, (0, 0, None))
        if header is None:
            raise InputError(f"{path}: the file is empty")
        if lines.is_broken("".join(header)):
            raise InputError(f"{path}: header: {lines.broken_message()}")
        kept: list[tuple[int, int, list[str]]] = []
        for number, line, record in records:
            place = f"row {number} (line {line})"
            if len(record) != len(header):
                lines.wrong(place, f"found {len(record)} fields, expected {len(header)} as in the header")
            elif lines.broken is not None and lines.is_broken("".join(record)):
                lines.wrong(place, lines.broken_message())
            else:
                kept.append((number, line, record))
    lines.log()
    values = [list(column) for column in zip(*(record for _, _, record in kept), strict=True)]
    numbers, starts = [number for number, _, _ in kept], [line for _, line, _ in kept]
    return Fields(header, values or [[] for _ in header], numbers, starts, lines.unreadable)


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
    """Number, first line and fields of each record; the header has the number 0. Blank lines do not count."""
    reader = csv.reader(io.StringIO(lines.text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            place = f"row {number} (line {line})" if number else f"header (line {line})"
            if not number:
                raise InputError(f"{lines.path}: {place}: {error}") from error
            lines.wrong(place, f"not a valid record ({error})")
            number += 1
            continue
        if record:
            yield number, line, record
            number += 1


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lets the csv module read fields of any length."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_json_lines(path: Path, content: bytes, on_error: str) -> Fields:
    """A file with a JSON object on each line; a name that a line lacks is None there.

    Raises:
        InputError: if a line cannot be read and `on_error` is "stop".
    """
    lines = _Lines(path, content, on_error)
    objects: list[dict[str, Any]] = []
    rows: list[int] = []
    numbers: list[int] = []
    row = 0
    for line, text in enumerate(lines.text.split("\n"), start=1):
        if not text.strip():
            continue
        row += 1
        found = _json_object(text, lines, f"row {row} (line {line})")
        if found is not None:
            objects.append(found)
            rows.append(row)
            numbers.append(line)
    lines.log()
    names = list(dict.fromkeys(name for found in objects for name in found))
    return Fields(names, [[found.get(name) for found in objects] for name in names], rows, numbers, lines.unreadable)


def _json_object(text: str, lines: _Lines, place: str) -> dict[str, Any] | None:
    if lines.is_broken(text):
        lines.wrong(place, lines.broken_message())
        return None
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        lines.wrong(place, f"not valid JSON ({error.msg} at character {error.pos + 1})")
        return None
    except (ValueError, RecursionError) as error:  # a number of too many digits; brackets nested too deeply
        lines.wrong(place, f"JSON that cannot be read ({error})")
        return None
    if not isinstance(pairs, _Pairs):
        lines.wrong(place, f'found JSON that is no object: {text.strip()[:40]!r}, expected {{"column": value, …}}')
        return None
    found = dict(pairs)
    if len(found) < len(pairs):
        lines.wrong(place, "a name occurs twice in the object, expected different names")
        return None
    return found


class _Pairs(list[tuple[str, Any]]):
    """Names and values of a JSON object, in which a name may occur twice."""


def read_parquet(path: Path) -> Fields:
    """A Parquet file.

    Raises:
        InputError: if pyarrow is not installed, or the file cannot be read.
    """
    check_file(path)
    parquet = require("pyarrow.parquet", "parquet", str(path))
    with reading(path, "a valid Parquet file"), parquet.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        check_unpacked(path, sum(group.total_byte_size for group in groups))
        table = file.read()
        values = [column.to_pylist() for column in table.columns]
        return Fields(table.column_names, values, list(range(1, table.num_rows + 1)), None, 0)
