"""What all sources of table rows share: reading, splitting, learning, encoding."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampleformer.data.encoding import Encoding, row_ids
from sampleformer.data.inputs import Inputs
from sampleformer.data.report import RowReport
from sampleformer.data.samples import Samples
from sampleformer.data.source import Source, Splits
from sampleformer.data.split import choose, split_tenths, strata_of
from sampleformer.data.split_columns import rows_of_splits
from sampleformer.data.table import SUFFIXES, Table, read_table
from sampleformer.data.tasks import infer_task, learn_targets, parse_targets
from sampleformer.errors import InputError

logger = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class _Rows:
    """Some rows of a table, parsed but not yet encoded."""

    table: Table
    index: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, places: np.ndarray) -> _Rows:
        return _Rows(self.table, self.index[places], self.inputs[places], self.targets[places])

    def place(self, row: int) -> str:
        return self.table.place(int(self.index[row]))


class TableSource(Source):
    """Rows of a table with input columns and target columns.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file.
        label: target column, or several.
        valid: a file, or a column that tells which rows are for validation. None: a seeded tenth.
        test: the same for the test.
        task: "classification", "multilabel" or "regression". None: inferred from the target columns.
        id: column that names the rows. None: a column named "id" if there is one, else row numbers.
        limit: use at most so many rows of each split.
        seed: seed of the splits and of the choice of rows.
        on_error: "stop" at the first wrong row, or "skip" and count wrong rows.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        label: str | list[str],
        *,
        valid: str | None,
        test: str | None,
        task: str | None,
        id: str | None,
        limit: int | None,
        seed: int,
        on_error: str,
    ) -> None:
        self.path = path
        self.labels = [label] if isinstance(label, str) else list(label)
        self.valid = valid
        self.test = test
        self.task = task
        self.id = id
        self.limit = limit
        self.seed = seed
        self.on_error = on_error
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise InputError(f"label: found {self.labels}, expected the name of a column, or different names")
        if limit is not None and limit < 1:
            raise InputError(f"limit: found {limit}, expected at least 1 row")
        if seed < 0:
            raise InputError(f"seed: found {seed}, expected 0 or more")

    @abstractmethod
    def parse_inputs(self, table: Table, report: RowReport) -> np.ndarray:
        """The input columns' values, one entry or row for each row of the table; wrong rows are reported."""

    @abstractmethod
    def learn_inputs(self, table: Table, values: np.ndarray) -> Inputs:
        """What the training part's values, as `parse_inputs` gives them, teach about the inputs."""

    def read(self) -> Table:
        """The main table."""
        return read_table(self.path, self.on_error)

    def load(self) -> Splits:
        """Reads the files, splits the rows, learns the encoding on the training part, and encodes all.

        Raises:
            InputError: if something is wrong with a file, a column or a row.
        """
        table = self.read()
        task = self.task or infer_task(table, self.labels)
        counts = {"skipped": 0, "truncated": 0}
        main = self._parse(table, task, counts)
        parts = self._split(main, task, counts)
        targets = learn_targets(task, self.labels, parts["train"].targets, table.path)
        parts = {name: self._limit(rows) for name, rows in parts.items()}
        encoding = Encoding(self.learn_inputs(table, parts["train"].inputs), targets, self.id)
        samples = {name: self._encode(rows, encoding, counts) for name, rows in parts.items()}
        self._log(table, task, samples, encoding)
        for name, part in samples.items():
            if len(part) == 0:
                raise InputError(f"{table.path}: found no rows for {name}, expected at least one")
        return Splits(samples["train"], samples["valid"], samples["test"], encoding, **counts)

    def _log(self, table: Table, task: str, samples: dict[str, Samples], encoding: Encoding) -> None:
        how = "as asked" if self.task else "inferred"
        shown = ", ".join(encoding.labels[:8]) + (", …" if len(encoding.labels) > 8 else "")
        sizes = ", ".join(f"{len(part)} {name}" for name, part in samples.items())
        logger.info("%s: task %s (%s): %s; rows: %s", table.path, task, how, shown, sizes)

    def _parse(self, table: Table, task: str, counts: dict[str, int]) -> _Rows:
        """The rows that are not wrong."""
        report = RowReport(table.path, table.place, self.on_error)
        rows = _Rows(
            table,
            np.arange(len(table)),
            self.parse_inputs(table, report),
            parse_targets(task, table, self.labels, report),
        )
        report.log()
        counts["skipped"] += table.unreadable + report.skipped
        return rows.take(report.kept(len(table)))

    def _split(self, main: _Rows, task: str, counts: dict[str, int]) -> dict[str, _Rows]:
        """Training, validation and test rows: from files, from columns, or a seeded tenth each."""
        parts: dict[str, _Rows] = {}
        columns: dict[str, str] = {}
        for split, name in (("valid", self.valid), ("test", self.test)):
            if name is None:
                continue
            if name in main.table.columns:
                columns[split] = name
            elif Path(name).exists() or name.lower().removesuffix(".gz").endswith(SUFFIXES):
                parts[split] = self._parse(read_table(name, self.on_error), task, counts)
            else:
                main.table.column(name)  # says which column is nearest
        if columns:
            for split, places in rows_of_splits(main.table, main.index, columns).items():
                if split in parts:
                    raise InputError(f"{split}: given as the file {getattr(self, split)!r} and by a column; give one")
                if split != "train":
                    parts[split] = main.take(places)
                else:
                    rest = main.take(places)
        else:
            rest = main
        missing = [split for split in ("valid", "test") if split not in parts]
        if missing:
            rest = self._without_single_rows(rest, task, counts)
            *tenths, left = split_tenths(strata_of(rest.targets), len(missing), self.seed)
            parts.update({split: rest.take(tenth) for split, tenth in zip(missing, tenths, strict=True)})
            rest = rest.take(left)
        return {"train": rest, "valid": parts["valid"], "test": parts["test"]}

    def _without_single_rows(self, rows: _Rows, task: str, counts: dict[str, int]) -> _Rows:
        """Reports classes of a single row, which cannot be split."""
        if task != "classification":
            return rows
        report = RowReport(rows.table.path, rows.place, self.on_error)
        labels, first, number = np.unique(rows.targets.astype(str), return_index=True, return_counts=True)
        for label, row in zip(labels[number == 1], first[number == 1], strict=True):
            report.add(
                int(row),
                f"column {self.labels[0]!r}: label {str(label)!r} occurs once, expected at least 2 rows of each class, "
                "so that a tenth can be split off (or give valid and test as files or columns)",
            )
        report.log()
        counts["skipped"] += report.skipped
        return rows.take(report.kept(len(rows)))

    def _limit(self, rows: _Rows) -> _Rows:
        if self.limit is None:
            return rows
        return rows.take(choose(strata_of(rows.targets), self.limit, self.seed))

    def _encode(self, rows: _Rows, encoding: Encoding, counts: dict[str, int]) -> Samples:
        report = RowReport(rows.table.path, rows.place, self.on_error)
        ids = row_ids(rows.table, self.id)
        samples = encoding.samples(rows.inputs, rows.targets, [ids[row] for row in rows.index], report)
        report.log()
        counts["skipped"] += report.skipped
        counts["truncated"] += report.truncated
        return samples
