"""What all sources of table rows share."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Self, TypedDict

from sampleformer.data.inputs import Inputs
from sampleformer.data.source import Source, Splits
from sampleformer.data.split import split_tenths, strata_of
from sampleformer.data.table_loading import Loading, TableLoading, Values
from sampleformer.data.user_files import files_at
from sampleformer.errors import InputError, listed
from sampleformer.settings import Component
from sampleformer.tables.format import TableFormat
from sampleformer.tables.report import RowReport
from sampleformer.tables.saved_dataset import is_saved_splits, saved_parts
from sampleformer.tables.streamed import ROWS
from sampleformer.tables.table import Table, read_table
from sampleformer.tasks import TASKS


class PartOptions(TypedDict, total=False):
    """What sources of tables take beside their own arguments: which rows are for what, and how the files are read.

    Args:
        valid: A file, or a column that tells which rows are for validation. None: a seeded tenth.
        test: The same for the test.
        task: Name of the task in `TASKS`, or an import path. None: inferred from the target columns.
        limit: Largest number of rows of each split. None: all.
        seed: Seed of the splits and of the choice of rows. 0 if it is not given.
        on_error: "stop" at the first wrong row, or "skip" and count wrong rows. "stop" if it is not given.
        format: Separator, encoding and decimal mark of the files, where they do not say them.
    """

    valid: str | None
    test: str | None
    task: str | None
    limit: int | None
    seed: int
    on_error: str
    format: TableFormat | None


class RowOptions(PartOptions, total=False):
    """`PartOptions`, and what names the rows.

    Args:
        id: Column that names the rows. None: a column named "id" if there is one, else row numbers.
    """

    id: str | None


class TableSource(Source):
    """Rows of a table with input columns and target columns.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file; or a folder that ``save_to_disk`` of Hugging Face's
            datasets wrote, of a ``DatasetDict`` with its splits.
        label: target column, or several. A task that makes its targets from the inputs needs none, and reads none.
        valid, test, task, id, limit, seed, on_error, format: See `RowOptions`.

    Raises:
        InputError: if an argument has no meaning.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        label: str | list[str] | None,
        *,
        valid: str | None = None,
        test: str | None = None,
        task: str | None = None,
        id: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        format: TableFormat | None = None,
    ) -> None:
        self.path = path
        if is_saved_splits(Path(path)):
            parts = saved_parts(Path(path))
            self.path = str(parts["train"])
            valid = valid or (str(parts["valid"]) if "valid" in parts else None)
            test = test or (str(parts["test"]) if "test" in parts else None)
        self.labels = [label] if isinstance(label, str) else list(label or [])
        self.valid = valid
        self.test = test
        self.task_reason = "as asked"  # a source that knows what its labels are says why
        self.task = None if task is None else TASKS.resolve(task, "task")
        self.id = id
        self.limit = limit
        self.seed = seed
        self.on_error = on_error
        self.table_format = format or TableFormat()
        if not self.labels and not (self.task is not None and self.task.from_inputs):
            raise InputError("label: found none, expected the column to predict, or the task 'masked', that needs none")
        if len(set(self.labels)) < len(self.labels):
            raise InputError(f"label: found {listed(self.labels)}, expected different columns")
        if limit is not None and limit < 1:
            raise InputError(f"limit: found {limit}, expected at least 1 row")
        if seed < 0:
            raise InputError(f"seed: found {seed}, expected 0 or more")

    held: Table | None = None
    """Main table in memory, in the place of the file at the path."""

    def holding(self, table: Table) -> Self:
        """The source itself, with rows in memory in the place of those of its file."""
        self.held = table
        return self

    def check_descriptors(self, descriptors: Sequence[Component]) -> None:
        """Takes any."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Ends of the names of files that are data, if the path is a folder. Empty: all."""

    row_by_row: ClassVar[bool] = False
    """Whether `parse_inputs` gives the same for a row whatever rows are beside it."""

    rows_at_once: ClassVar[int] = ROWS
    """Rows that are parsed at a time where not all are."""

    @abstractmethod
    def input_columns(self, table: Table) -> list[str]:
        """Names of the input columns of the main table; other files must have them too."""

    @abstractmethod
    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        """The input columns' values, one entry or row for each row of the table; wrong rows are reported."""

    @abstractmethod
    def learn_inputs(self, columns: list[str], values: Values) -> Inputs:
        """What the training part's values, as `parse_inputs` gives them, teach about the inputs.

        Where values are parsed row by row they may be more than memory holds, and are taken one after the other.
        """

    def split_off(self, inputs: Values, targets: np.ndarray, parts: int) -> list[np.ndarray]:
        """Splits parts off the rows: a seeded tenth each, with each class or value in proportion.

        Args:
            inputs: the rows' values, as `parse_inputs` gives them.
            targets: theirs.
            parts: how many, 1 or 2: validation and test, or one of them.

        Returns:
            The row numbers of each part, then those of the rest.
        """
        return split_tenths(strata_of(targets), parts, self.seed)

    def files(self) -> dict[str, list[Path]]:
        parts = {"valid": self.valid, "test": self.test}
        found = self.main_files()
        # What names a column is no path; a folder may have the name of a column.
        kind = Path.is_dir if Path(self.path).is_dir() else Path.is_file
        found |= {name: files_at(path, self.suffixes) for name, path in parts.items() if path and kind(Path(path))}
        return found

    def main_files(self) -> dict[str, list[Path]]:
        """Those of `files` that are not for validation or test alone."""
        return {} if self.held is not None else {"path": files_at(self.path, self.suffixes)}

    def read(self) -> Table:
        """The main table."""
        return read_table(self.path, self.on_error, self.table_format) if self.held is None else self.held

    def read_part(self, path: str) -> Table:
        """Another file, for validation or test."""
        return read_table(path, self.on_error, self.table_format)

    def load(self) -> Splits:
        """Reads the files, splits the rows, learns the encoding on the training part, and encodes all.

        Raises:
            InputError: if something is wrong with a file, a column or a row.
        """
        table = self.read()
        return self.loading(table)(self, table).splits()

    def loading(self, table: Table) -> Callable[[Self, Any], Loading]:
        """What makes samples of the main table."""
        return TableLoading

    @property
    def reads_file(self) -> bool:
        """Whether the main table is the file at the path, as it is."""
        return self.held is None and type(self).read is TableSource.read

    def split_columns(self) -> list[str]:
        """Names of columns of the main table, as far as they exist, that may say which rows are for which part."""
        return [name for name in (self.valid, self.test) if name is not None]
