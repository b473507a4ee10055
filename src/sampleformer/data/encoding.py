"""Everything that turns the user's rows into tokens and targets, and outputs back into rows."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.descriptors.collection import Descriptors, measure
from sampleformer.data.inputs import Inputs
from sampleformer.data.row_names import row_ids, scene_ids
from sampleformer.data.sample_schema import check_mappings, sample_schema
from sampleformer.data.samples import HeldSets, Samples, TargetRows
from sampleformer.documents import read_json
from sampleformer.errors import InputError, listed
from sampleformer.files import write_text
from sampleformer.reading import reading
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.format import TableFormat
from sampleformer.tables.memory import is_series, series_samples
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import Task, task_from_json, task_to_json


class Encoding:
    """What was learnt about the rows from the training part, and is saved with the model.

    Args:
        inputs: turns the input columns into tokens.
        task: turns the target columns into numbers, and outputs into predictions.
        id_column: the column that names the rows. None: a column named "id" if there is one, else row numbers.
        format: how the tables of the training are written, and new ones if nothing else is said.
        descriptors: What was learnt about the numbers that describe whole samples. None: there are none.
    """

    def __init__(
        self,
        inputs: Inputs,
        task: Task,
        id_column: str | None = None,
        format: TableFormat | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        self.inputs = inputs
        self.descriptors = descriptors
        self.task = task
        self.id_column = id_column
        self.format = format or TableFormat()

    @property
    def model_inputs(self) -> dict[str, Any]:
        """What the model must know: {"vocabulary": size}, {"features": number} and the like."""
        described = {} if self.descriptors is None else {"descriptors": self.descriptors.widths}
        return self.inputs.model_inputs | described

    @property
    def gaps(self) -> dict[str, int]:
        """Number of gaps of each column of numbers in the training part; columns without any are left out."""
        return self.inputs.gaps

    @property
    def unit(self) -> str:
        """What one token is called."""
        return self.inputs.unit

    @property
    def target_unit(self) -> str:
        """What one target is for: "sample", what a token is called, or "pair"."""
        return "pair" if self.task.of_pairs else self.unit if self.task.of_tokens else "sample"

    @property
    def layout(self) -> tuple[int, int] | None:
        """Rows and columns, if the tokens are the pixels of an image."""
        return self.inputs.layout

    @property
    def view_settings(self) -> frozenset[str]:
        """Settings of the data that may be others in an evaluation, see `Inputs.view_settings`."""
        return self.inputs.view_settings

    @property
    def words(self) -> str:
        """The labels in a few words."""
        return listed(self.task.labels)

    def samples(
        self,
        values: np.ndarray,
        targets: np.ndarray | None,
        ids: Sequence[str],
        report: RowReport | None = None,
        measured: Sequence[np.ndarray] | None = None,
    ) -> Samples:
        """Samples from parsed values.

        Args:
            values: one entry or row for each sample, as the inputs' `parse` gives them.
            targets: the same of the targets; None: the samples have no targets.
            ids: name of each sample.
            report: is told of wrong rows, which are left out. None: the first one is an error.
            measured: What each descriptor measured of the samples. None: there are none.
        """
        report = report or RowReport("data", lambda row: f"sample {ids[row]}")
        numbers = None if targets is None else self.task.encode(targets, report)
        encoded = self.inputs.encode(values, report)
        if self.descriptors is not None and measured is not None:
            encoded = replace(encoded, descriptors=self.descriptors.encode(measured))
        unasked = TargetRows(None, encoded.offsets) if self.task.from_inputs else None
        samples = self.pack(encoded, unasked if numbers is None else numbers, ids)
        return samples.subset(report.kept(len(ids))) if report.wrong else samples

    def pack(self, sets: HeldSets, targets: np.ndarray | TargetRows | None, ids: Sequence[str]) -> Samples:
        """Samples of encoded inputs and targets, which inputs and task prepare each time one is used."""
        prepare = self._prepare if self.inputs.prepares or self.task.from_inputs else None
        return Samples(sets, targets, ids, prepare=prepare, size_of=self.inputs.size_of)

    def _prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        prepared = self.inputs.prepare(sample, random, training=training)
        return self.task.draw(prepared, random, training=training)

    def read(
        self,
        path: str | os.PathLike[str],
        *,
        targets: bool,
        on_error: str = "stop",
        format: TableFormat | None = None,
    ) -> Samples:
        """Reads a new file or folder like those of the training.

        Args:
            path: the file or folder.
            targets: False: the target columns are not read, and need not be there.
            on_error: "stop" at the first wrong row, or "skip" and count wrong rows.
            format: how the file is written, in place of what is said of those of the training.

        Raises:
            InputError: if something is wrong with the file, a column or a row.
        """
        (samples,) = self.read_pieces(path, targets=targets, on_error=on_error, format=format)
        return samples

    def read_pieces(
        self,
        path: str | os.PathLike[str],
        *,
        targets: bool,
        on_error: str = "stop",
        format: TableFormat | None = None,
        rows: int | None = None,
    ) -> Iterator[Samples]:
        """Reads a new table in pieces, so that memory does not grow with it. Graphs and point clouds come at once.

        Args:
            path, targets, on_error, format: as for `read`.
            rows: largest number of rows in a piece. None: all.

        Yields:
            Samples, one at least.

        Raises:
            InputError: if something is wrong with the file, a column or a row; not before the piece that holds it.
        """
        report = None
        found = 0
        for table in self.inputs.read(path, on_error, self.format.changed(format), rows):
            report = report or RowReport(table.path, table.place, on_error)
            report.go_on(table.place)
            samples = self._samples_of(table, report, targets, self.id_column)
            found += len(samples)
            if len(samples):
                yield samples
        if report is not None:
            report.log()
        if not found:
            raise InputError(f"{path}: found no row that can be used, expected at least one")

    def given(
        self, samples: Any, *, on_error: str = "stop", rows: int | None = None
    ) -> Iterator[tuple[Samples, dict[int, str]]]:
        """Takes samples in memory, which are named by their position from 0 unless they have names of their own.

        Args:
            samples: Sequence of samples or a DataFrame, see `Inputs.given`.
            on_error: "stop" at the first wrong sample, or "skip".
            rows: Largest number of samples in a piece, for kinds of data whose files are read in pieces. None: all.

        Yields:
            Samples of a piece that can be used, and what is wrong with others by their place in the piece.

        Raises:
            InputError: if a sample is wrong; it names its position.
        """
        samples = self.listed(samples)
        check_mappings(samples, self.inputs, self.described_by)
        for table in self.inputs.given(samples, rows):
            if self.format.decimal:  # texts of numbers are written as those of the training
                table = replace(table, decimal=self.format.decimal)
            report = RowReport(table.path, table.place, on_error)
            named = self.id_column if self.id_column in table.columns else None
            yield self._samples_of(table, report, targets=False, id=named), report.wrong

    @property
    def described_by(self) -> list[str]:
        """Columns that describe a sample beside its tokens, so that samples must be mappings of columns."""
        parts = () if self.descriptors is None else self.descriptors.parts
        return list(dict.fromkeys(name for part in parts for name in part.columns))

    @property
    def sample_schema(self) -> dict[str, Any]:
        """JSON Schema of one sample that `given` takes, where it comes as JSON; empty: anything."""
        return sample_schema(self.inputs, self.described_by)

    @property
    def file_suffixes(self) -> tuple[str, ...]:
        """What names of files end in that `samples_in` reads, in small letters; none: it reads no file."""
        return self.inputs.file_suffixes

    def samples_in(self, path: Path, most: int) -> list[tuple[str, Any]]:
        """Samples of one file that may come from anybody, see `Inputs.samples_in`.

        Args:
            path: Path of the file.
            most: Largest number of samples. Of a file of more it is more that are returned, but not all.

        Raises:
            InputError: if there is no such kind of file for these data, or it cannot be read.
        """
        if not self.file_suffixes:
            raise InputError(f"{path}: found a file, expected {self.inputs.kind} data as JSON")
        if path.suffix.lower() not in self.file_suffixes:
            found = f"found a name that ends in {path.suffix!r}"
            raise InputError(f"{path}: {found}, expected one of {', '.join(self.file_suffixes)}")
        return self.inputs.samples_in(path, self.format, most)

    def listed(self, samples: Any) -> Any:
        """Samples in memory, with those that come one after the other, or as a column of a DataFrame, in a list.

        Args:
            samples: One sample or many; a row of a DataFrame becomes a mapping.
        """
        if isinstance(samples, Iterator):
            return list(samples)
        if is_series(samples):
            return series_samples(samples, {*self.inputs.row_schema, *self.described_by})
        return samples

    def is_one(self, value: Any) -> bool:
        """Whether a value is one sample of those that `given` takes, and no sequence of them."""
        return self.inputs.is_one(value)

    def _samples_of(self, table: Table, report: RowReport, targets: bool, id: str | None) -> Samples:
        values = self.inputs.parse(table, report)
        ids = row_ids(table, id)
        if not self.task.of_tokens or self.task.from_inputs:
            known = self.task.parse(table, report) if targets and not self.task.from_inputs else None
            parts = () if self.descriptors is None else self.descriptors.parts
            return self.samples(values, known, ids, report, measure(parts, values, table, report))
        sets = self.inputs.encode(values, report)
        rows = self.inputs.target_rows(table, sets, self.task, report.on_error, known=targets)
        names = scene_ids(table, id) if self.unit == "point" else ids
        return self.pack(sets, rows, names).subset(report.kept(len(ids)))

    def pieces(self, sample: Sample) -> list[str]:
        """What each token of a sample shows in an explanation.

        A character of several bytes is shown on its first byte; the others show nothing.
        """
        return self.inputs.pieces(sample)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the encoding as JSON."""
        content = {
            "inputs": {"kind": self.inputs.kind, **self.inputs.to_json()},
            "task": task_to_json(self.task),
            "id": self.id_column,
            "format": self.format.model_dump(exclude_none=True),
            "descriptors": None if self.descriptors is None else self.descriptors.to_json(),
        }
        write_text(Path(path), json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Encoding":
        """Reads an encoding that `save` wrote.

        Raises:
            InputError: if the file is missing or is not a saved encoding.
        """
        content = read_json(Path(path), "a saved encoding")
        with reading(path, "a saved encoding"):
            try:
                return cls._of_json(content)
            except InputError as error:
                raise InputError(f"{path}: {error}") from error

    @classmethod
    def _of_json(cls, content: dict[str, Any]) -> "Encoding":
        inputs = dict(content["inputs"])
        described = content["descriptors"]
        return construct(
            cls,
            {"id_column": content["id"]},
            "encoding",
            task=task_from_json(content["task"]),
            format=construct(TableFormat, content["format"], "format"),
            inputs=Inputs.kinds[inputs.pop("kind")].from_json(inputs),
            descriptors=None if described is None else Descriptors.from_json(described),
        )
