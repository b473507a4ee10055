"""From a table larger than memory to shards, by the same steps as from one in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from sampleformer.data.descriptors.base import Descriptor
from sampleformer.data.descriptors.collection import measure
from sampleformer.data.descriptors.columns import TableColumns
from sampleformer.data.encoding import Encoding
from sampleformer.data.inputs import Inputs
from sampleformer.data.prepared.packing import NO_PART, PARTS, pack
from sampleformer.data.prepared.shard import ShardEntry, ShardNote, write_shard
from sampleformer.data.prepared.workers import in_order
from sampleformer.data.progress import announced, progress_bar
from sampleformer.data.row_names import row_ids
from sampleformer.data.source import Source
from sampleformer.data.table_loading import ParsedRows, TableLoading, Values
from sampleformer.data.table_source import TableSource
from sampleformer.tables.report import RowReport
from sampleformer.tables.streamed import FilePieces, TablePieces, streamed_table
from sampleformer.tables.table import Table

Pieces = FilePieces | TablePieces


def streams(source: Source) -> TypeGuard[TableSource]:
    """Whether the rows of a source can be taken piece by piece."""
    return isinstance(source, TableSource) and source.row_by_row and type(source).load is TableSource.load


@dataclass(frozen=True)
class Parsing:
    """What is needed to parse rows.

    Args:
        source: Source of the rows.
        columns: Input columns.
        descriptors: Numbers that describe whole samples.
    """

    source: TableSource
    columns: list[str]
    descriptors: list[Descriptor]

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        """The inputs of a piece, one for each row."""
        return self.source.parse_inputs(table, self.columns, report)

    def report(self, table: Table) -> RowReport:
        """A report of the wrong rows of a piece."""
        return RowReport(table.path, table.place, self.source.on_error)


@dataclass(frozen=True)
class StreamedValues:
    """Parsed inputs of some rows of a table, which are read again each time.

    Args:
        parsing: How rows are parsed.
        pieces: Pieces of the table.
        rows: Places of the rows in the table, ``(rows,)``.
        workers: Number of processes that parse.
    """

    parsing: Parsing
    pieces: Pieces
    rows: np.ndarray
    workers: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: np.ndarray) -> StreamedValues:
        return replace(self, rows=self.rows[places])

    def __iter__(self) -> Iterator[Any]:
        """The values in the order of the table."""
        rows = np.sort(self.rows)
        tasks = ((piece, rows_between(rows, start, len(piece)) - start) for start, piece in self.pieces)
        done = 0
        with progress_bar("learning from the training part", len(rows)) as show:
            for values in in_order(_values, self.parsing, tasks, self.workers):
                yield from values
                done += len(values)
                show(done)


def _values(parsing: Parsing, table: Table, places: np.ndarray) -> np.ndarray:
    report = RowReport(table.path, table.place, "skip")  # wrong rows have been reported
    return parsing.parse(table, report)[places]


def rows_between(rows: np.ndarray, start: int, count: int) -> np.ndarray:
    """Those of sorted rows that are among so many from a first one."""
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + count)]


class StreamedLoading(TableLoading):
    """One reading of tables that are more than memory holds.

    In memory are the target columns, what descriptors measure, and some numbers for each row; inputs are parsed when
    they are needed, in worker processes.

    Args:
        source: Says what to read and how.
        table: Its main table.
        pieces: Pieces of it.
        workers: Number of processes.
        known: Inputs as the training part taught them before. None: they are learnt.

    Raises:
        InputError: as `TableLoading`.
    """

    def __init__(self, source: TableSource, table: Table, pieces: Pieces, workers: int, known: Inputs | None) -> None:
        self.workers = workers
        self._known = known
        self._pieces = {id(table): pieces}
        super().__init__(source, table)

    @classmethod
    def of(cls, source: TableSource, workers: int, known: Inputs | None = None) -> StreamedLoading | None:
        """The loading of a source; None if its targets are for single points or nodes.

        Args:
            source: Says what to read and how.
            workers: Number of processes.
            known: Inputs as the training part taught them before. None: they are learnt.
        """
        table, pieces = _streamed(source, source.path) if source.reads_file else _sliced(source, source.read())
        if source.loading(table) is not TableLoading:
            return None
        return cls(source, table, pieces, workers, known)

    def _read_part(self, path: str) -> Table:
        if type(self.source).read_part is TableSource.read_part:
            table, pieces = _streamed(self.source, path)
        else:
            table, pieces = _sliced(self.source, self.source.read_part(path))
        self._pieces[id(table)] = pieces
        return table

    def _learn_inputs(self, values: Values) -> Inputs:
        return super()._learn_inputs(values) if self._known is None else self._known

    @property
    def parsing(self) -> Parsing:
        """How the rows are parsed."""
        return Parsing(self.source, self.columns, self.descriptors)

    def _parse_inputs(self, table: Table, report: RowReport) -> tuple[Values, tuple[np.ndarray, ...]]:
        pieces = self._pieces[id(table)]
        measured: list[list[np.ndarray]] = [[] for _ in self.descriptors]
        with progress_bar("looking at the rows", len(table)) as show:
            for start, count, wrong, numbers in in_order(_looked_at, self.parsing, iter(pieces), self.workers):
                for row, message in wrong.items():
                    report.add(start + row, message)
                for each, found in zip(measured, numbers, strict=True):
                    each.append(found)
                show(start + count)
        values = StreamedValues(self.parsing, pieces, np.arange(len(table)), self.workers)
        return values, tuple(np.concatenate(each) for each in measured)

    def jobs(self, parts: dict[str, ParsedRows]) -> Iterator[Job]:
        """What each shard is made of, one after the other.

        Args:
            parts: Rows of each part, as `learnt` gives them.
        """
        tables = {id(rows.table): rows.table for rows in parts.values()}
        for key, table in tables.items():
            rows = _RowsOfTable.of(table, {name: each for name, each in parts.items() if each.table is table})
            for start, piece in self._pieces[key]:
                if len((job := rows.job(start, piece)).rows):
                    yield job


def _looked_at(parsing: Parsing, start: int, table: Table) -> tuple[int, int, dict[int, str], tuple[np.ndarray, ...]]:
    """Where a piece begins, how many rows it has, those that are wrong, and what the descriptors measure of it."""
    report = parsing.report(table)
    values = parsing.parse(table, report)
    return start, len(table), report.wrong, measure(parsing.descriptors, values, table, report)


def _streamed(source: TableSource, path: str | os.PathLike[str]) -> tuple[Table, Pieces]:
    """A table of a source in a file, and its pieces."""
    pieces = FilePieces(path, source.on_error, source.table_format, source.rows_at_once)
    described = [name for each in source.descriptors if isinstance(each, TableColumns) for name in each.columns]
    with announced("reading the labels"):
        return streamed_table(pieces, {*source.labels, *source.split_columns(), *described}), pieces


def _sliced(source: TableSource, table: Table) -> tuple[Table, Pieces]:
    return table, TablePieces(table, source.rows_at_once)


@dataclass(frozen=True)
class Job:
    """Rows of a piece of a table, of which one shard is made.

    Args:
        table: Piece.
        rows: Places of the rows in it.
        parts: Number of the part of each.
        places: Place of each in its part.
        targets: Parsed targets of each.
        measured: What each descriptor measured of each.
    """

    table: Table
    rows: np.ndarray
    parts: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    measured: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _RowsOfTable:
    """Rows of a table that are in a part, sorted by their places."""

    index: np.ndarray
    parts: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    measured: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, table: Table, found: dict[str, ParsedRows]) -> _RowsOfTable:
        index = np.concatenate([rows.index for rows in found.values()])
        order = np.argsort(index, kind="stable")
        numbers = [np.full(len(rows), PARTS.index(name), np.uint8) for name, rows in found.items()]
        measured = zip(*(rows.measured for rows in found.values()), strict=True)
        return cls(
            index[order],
            np.concatenate(numbers)[order],
            np.concatenate([np.arange(len(rows)) for rows in found.values()])[order],
            np.concatenate([rows.targets for rows in found.values()])[order],
            tuple(np.concatenate(each)[order] for each in measured),
        )

    def job(self, start: int, piece: Table) -> Job:
        chosen = slice(np.searchsorted(self.index, start), np.searchsorted(self.index, start + len(piece)))
        return Job(
            piece,
            self.index[chosen] - start,
            self.parts[chosen],
            self.places[chosen],
            self.targets[chosen],
            tuple(each[chosen] for each in self.measured),
        )


@dataclass(frozen=True)
class Writing:
    """What is needed to write shards.

    Args:
        parsing: How rows are parsed.
        encoding: What the training part taught.
        folder: Folder of the shards.
    """

    parsing: Parsing
    encoding: Encoding
    folder: Path


def write_job(writing: Writing, name: str, job: Job) -> ShardEntry:
    """Parses and encodes the rows of a piece, and writes them as a shard."""
    source, encoding = writing.parsing.source, writing.encoding
    table = job.table
    values = _values(writing.parsing, table, job.rows)
    report = RowReport(table.path, lambda row: table.place(int(job.rows[row])), source.on_error)
    targets = None if encoding.task.from_inputs else encoding.task.encode(job.targets, report)
    sets = encoding.inputs.encode(values, report)
    if encoding.descriptors is not None:
        sets = replace(sets, descriptors=encoding.descriptors.encode(job.measured))
    parts = job.parts.copy()
    parts[sorted(report.wrong)] = NO_PART
    names = row_ids(table, source.id)
    ids = [names[row] for row in job.rows]
    note = ShardNote(wrong=len(report.wrong), first=report.first, truncated=report.truncated, empty=report.empty)
    return write_shard(writing.folder / name, pack(sets, targets, ids, parts, job.places), note)
