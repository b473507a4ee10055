"""From the rows of tables to samples in three parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sampleformer.data.descriptors import Descriptors, TableColumns
from sampleformer.data.descriptors.collection import measure
from sampleformer.data.descriptors.columns import check_columns
from sampleformer.data.encoding import Encoding
from sampleformer.data.inputs import Inputs
from sampleformer.data.row_names import id_column, names_rows, row_ids
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.data.split import PERIOD, choose, strata_of
from sampleformer.data.split_columns import rows_of_splits
from sampleformer.errors import InputError, listed
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES, Table
from sampleformer.tasks import infer_task
from sampleformer.tasks.task import check_level
from sampleformer.wording import count

if TYPE_CHECKING:
    from sampleformer.data.table_source import TableSource

logger = logging.getLogger("sampleformer")


class Values(Protocol):
    """Parsed inputs of rows: an array, or values that are read again each time."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The value of each row."""
        ...

    def __getitem__(self, places: Any, /) -> Any:
        """The values of some of the rows."""
        ...


class Loading(Protocol):
    """One reading of a source's tables."""

    def splits(self) -> Splits:
        """The samples in three parts."""
        ...


@dataclass(frozen=True)
class ParsedRows:
    """Some rows of a table, parsed but not yet encoded.

    Args:
        table: Table.
        index: Place of each row in it.
        inputs: What each row holds, as the source's `parse_inputs` gives it.
        targets: Targets of each row.
        measured: What each descriptor measured of each row.
    """

    table: Table
    index: np.ndarray
    inputs: Values
    targets: np.ndarray
    measured: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, places: np.ndarray) -> ParsedRows:
        measured = tuple(each[places] for each in self.measured)
        return ParsedRows(self.table, self.index[places], self.inputs[places], self.targets[places], measured)

    def place(self, row: int) -> str:
        return self.table.place(int(self.index[row]))


class TableLoading:
    """One reading of a source's tables.

    Args:
        source: says what to read and how.
        table: its main table.

    Raises:
        InputError: if a column is missing, or an input column is the label.
    """

    def __init__(self, source: TableSource, table: Table) -> None:
        self.source = source
        self.table = table
        self.columns = source.input_columns(table)
        for name in source.labels:
            if name in self.columns:
                raise InputError(f"{table.path}: column {name!r} is both input and label, expected different columns")
        self.id = id_column(table, source.id)
        self.task, self.reason = (source.task, "") if source.task else infer_task(table, source.labels)
        check_level(self.task, "sample")
        # A task that makes its targets of the inputs is for tokens.
        described = [] if self.task.from_inputs else source.descriptors
        self.descriptors = [each.learn(table, self.columns) for each in described]
        check_columns(self.features, self.columns, source.labels, table.path)
        self.skipped = 0
        self.truncated = 0

    @property
    def features(self) -> list[str]:
        """Columns of the table that describe the samples."""
        return [name for each in self.descriptors if isinstance(each, TableColumns) for name in each.columns]

    def _column_words(self) -> str:
        """The columns and what each is for."""
        files_or_columns = [self.source.valid, self.source.test]
        splits = [name for name in dict.fromkeys(files_or_columns) if name is not None and name in self.table.columns]
        roles = {
            "inputs": self.columns,
            "features": self.features,
            "predicted": self.source.labels,
            "rows named by": [] if self.id is None else [self.id],
            "split by": splits,
        }
        used = {name for names in roles.values() for name in names}
        others = {name: names_rows(self.table, name) for name in self.table.columns if name not in used}
        left_out = [f"{name} ({reason})" for name, reason in others.items() if reason]
        roles |= {"left out": left_out, "not used": [name for name, reason in others.items() if not reason]}
        return "; ".join(f"{role}: {listed(names)}" for role, names in roles.items() if names)

    def learnt(self) -> tuple[dict[str, ParsedRows], Encoding]:
        """The rows of each part, and the encoding that the training part teaches."""
        parts = self._parts()
        for name, rows in parts.items():
            if len(rows) == 0:
                raise InputError(f"{rows.table.path}: found no rows for {name}, expected at least one")
        learnt = None
        if not self.task.from_inputs:
            learnt = self.task.learn(self.source.labels, parts["train"].targets, self.table.path)
        parts = {name: self._limited(rows) for name, rows in parts.items()}
        inputs = self.source.taken_over(self._learn_inputs(parts["train"].inputs))
        task = learnt or self.task.of_inputs(inputs.contents, inputs.kind)
        described = Descriptors.learn(self.descriptors, parts["train"].measured) if self.descriptors else None
        return parts, Encoding(inputs, task, self.source.id, self.source.table_format, described)

    def _learn_inputs(self, values: Values) -> Inputs:
        """What the training part's values teach about the inputs."""
        return self.source.learn_inputs(self.columns, values)

    def splits(self) -> Splits:
        """Splits the rows, learns the encoding on the training part, and encodes all."""
        parts, encoding = self.learnt()
        samples = {name: self._encode(rows, encoding) for name, rows in parts.items()}
        self.check_usable(parts, encoding, {name: len(part) for name, part in samples.items()})
        tables = [self.table, *(rows.table for rows in parts.values())]
        return Splits(
            samples["train"],
            samples["valid"],
            samples["test"],
            encoding,
            self.skipped,
            self.truncated,
            {str(table.path): len(table) + table.unreadable for table in tables},
        )

    def check_usable(self, parts: dict[str, ParsedRows], encoding: Encoding, samples: dict[str, int]) -> None:
        """Says what was read.

        Args:
            parts: Rows of each part.
            encoding: What the training part taught.
            samples: Number of samples of each part.

        Raises:
            InputError: if a part has none.
        """
        for name, number in samples.items():
            if not number:
                raise InputError(f"{parts[name].table.path}: found no usable rows for {name}, expected at least one")
        how = f"inferred from {self.reason}" if self.reason else self.source.task_reason
        sizes = ", ".join(f"{number} {name}" for name, number in samples.items())
        if self.columns and set(self.columns) <= self.table.columns.keys():  # graphs say it themselves
            logger.info("%s: %s", self.table.path, self._column_words())
        logger.info("%s: task %s (%s): %s; rows: %s", self.table.path, self.task.name, how, encoding.words, sizes)

    def _parse(self, table: Table) -> ParsedRows:
        """The rows that are not wrong."""
        report = RowReport(table.path, table.place, self.source.on_error)
        inputs, measured = self._parse_inputs(table, report)
        targets = self.task.parse_columns(table, self.source.labels, report)
        self.task.check_values(targets, self.source.labels, report)
        self._count(report)
        self.skipped += table.unreadable
        return ParsedRows(table, np.arange(len(table)), inputs, targets, measured).take(report.kept(len(table)))

    def _parse_inputs(self, table: Table, report: RowReport) -> tuple[Values, tuple[np.ndarray, ...]]:
        """What the rows of a table hold, and what the descriptors measure of it."""
        inputs = self.source.parse_inputs(table, self.columns, report)
        return inputs, measure(self.descriptors, inputs, table, report)

    def _count(self, report: RowReport) -> None:
        report.log()
        self.skipped += report.skipped
        self.truncated += report.truncated

    def _parts(self) -> dict[str, ParsedRows]:
        """Training, validation and test rows: from files, from columns, or a seeded tenth each."""
        rest = self._parse(self.table)
        files, columns = self._given()
        parts = {split: self._parse(self._read_part(name)) for split, name in files.items()}
        if columns:
            chosen = rows_of_splits(self.table, rest.index, columns, files)
            parts |= {split: rest.take(places) for split, places in chosen.items() if split != "train"}
            rest = rest.take(chosen["train"])
        missing = [split for split in ("valid", "test") if split not in parts]
        if missing:
            rest = self._without_single_rows(rest)
            if len(rest) < PERIOD:
                raise InputError(
                    f"{self.table.path}: found {count(len(rest), 'row')}, expected at least {PERIOD} to split off a "
                    f"tenth for {' and '.join(missing)} (or give them as files or columns)"
                )
            *given, left = self.source.split_off(rest.inputs, rest.targets, len(missing))
            parts |= {split: rest.take(places) for split, places in zip(missing, given, strict=True)}
            rest = rest.take(left)
        return {"train": rest, "valid": parts["valid"], "test": parts["test"]}

    def _read_part(self, path: str) -> Table:
        """The table of a part with a file of its own."""
        return self.source.read_part(path)

    def _given(self) -> tuple[dict[str, str], dict[str, str]]:
        """The splits given as files, and those given as columns."""
        files, columns = {}, {}
        for split, name in (("valid", self.source.valid), ("test", self.source.test)):
            if name is None:
                continue
            if name in self.table.columns:
                columns[split] = name
            elif Path(name).exists() or name.lower().removesuffix(".gz").endswith(SUFFIXES):
                files[split] = name
            else:
                raise InputError(
                    f"{split}: {name!r} is neither a file nor a column of {self.table.path}; "
                    f"{self.table.nearest_column(name)}"
                )
        return files, columns

    def _without_single_rows(self, rows: ParsedRows) -> ParsedRows:
        """Reports rows that cannot be split, such as the only one of a class."""
        report = RowReport(rows.table.path, rows.place, self.source.on_error)
        for row, reason in self.task.unsplittable(rows.targets, self.source.labels).items():
            report.add(row, reason)
        self._count(report)
        return rows.take(report.kept(len(rows)))

    def _limited(self, rows: ParsedRows) -> ParsedRows:
        """At most as many rows as asked for, each class in proportion."""
        if self.source.limit is None:
            return rows
        return rows.take(choose(strata_of(rows.targets), self.source.limit, self.source.seed))

    def _encode(self, rows: ParsedRows, encoding: Encoding) -> Samples:
        report = RowReport(rows.table.path, rows.place, self.source.on_error)
        ids = row_ids(rows.table, self.source.id)
        targets = None if self.task.from_inputs else rows.targets
        samples = encoding.samples(
            np.asarray(rows.inputs), targets, [ids[row] for row in rows.index], report, rows.measured
        )
        self._count(report)
        return samples
