"""The contract of what turns the input columns of a table into tokens."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sampleformer.data.samples import TargetRows
from sampleformer.data.token_sets import TokenSets
from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.tables.format import TableFormat
from sampleformer.tables.memory import rows_in
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table, table_pieces

if TYPE_CHECKING:
    from sampleformer.tasks import Contents, Task


class Inputs(ABC):
    """Turns the input columns of a table into tokens.

    A subclass names its kind, under which it is saved: ``class TextColumns(Inputs, kind="text")``. One that does
    something to a sample each time it is used says so with `prepares`.
    """

    kinds: ClassVar[dict[str, type[Inputs]]] = {}
    kind: ClassVar[str]
    layout: tuple[int, int] | None = None
    prepares: ClassVar[bool] = False
    """Whether `prepare` does anything."""
    has_source: ClassVar[bool] = False
    """Whether each sample keeps the text that it was made of."""
    unit: ClassVar[str] = "token"
    """What one token is called."""
    file_suffixes: ClassVar[tuple[str, ...]] = ()
    """What names of files end in that `samples_in` reads, in small letters; none: it reads no file."""
    view_settings: ClassVar[frozenset[str]] = frozenset()
    """Settings that say how much of a sample is seen, or from where: a trained model takes others too."""

    def __init_subclass__(cls, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind
        cls.kinds[kind] = cls

    def with_learnt(self, other: Inputs) -> Inputs:
        """These inputs with what others learnt of their training part: vocabulary, categories, scaling.

        Raises:
            InputError: if the others are of another kind, or learnt of other columns.
        """
        raise InputError(
            f"training.init_from: that run read {other.kind} data, and {self.kind} data takes nothing over"
        )

    def _alike(self, other: Inputs) -> None:
        if type(other) is not type(self):
            raise InputError(f"training.init_from: that run read {other.kind} data, expected {self.kind} data, as here")

    @property
    def gaps(self) -> dict[str, int]:
        """Number of gaps of each column of numbers in the training part; columns without any are left out."""
        return {}

    @property
    def contents(self) -> Contents | None:
        """What tokens carry, for tasks that make their targets of it; None: nothing that could be asked for."""
        return None

    @property
    @abstractmethod
    def model_inputs(self) -> dict[str, Any]:
        """What the embedding must know: the vocabulary's size, the number of features and the like."""

    def read(
        self, path: str | os.PathLike[str], on_error: str, format: TableFormat, rows: int | None = None
    ) -> Iterator[Table]:
        """A new file, of which `parse` takes what it needs: tables with one row for each sample.

        Args:
            path: the file or folder.
            on_error: "stop" at the first row that cannot be read, or "skip" and count such rows.
            format: how tables are written, where they do not say.
            rows: largest number of rows in a table, if the file can be read in pieces. None: all.

        Raises:
            InputError: if it cannot be read.
        """
        return table_pieces(path, on_error, format, rows)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        """Samples in memory, of which `parse` takes what it needs: tables as `read` gives them.

        Args:
            samples: Sequence of samples, or a DataFrame.
            rows: Largest number of rows in a table, if the file of such samples can be read in pieces. None: all.

        Raises:
            InputError: if they are no such samples; it names the position of one that is none, from 0.
        """
        raise InputError(f"samples: {self.kind} data cannot be given in memory, expected a file for `predict`")

    @property
    def value_schema(self) -> dict[str, Any]:
        """JSON Schema of a sample that stands alone, where it comes as JSON; empty: anything."""
        return {}

    @property
    def row_schema(self) -> dict[str, Any]:
        """JSON Schema of each column of a sample that is a mapping of columns; empty: it is none."""
        return {}

    def samples_in(self, path: Path, format: TableFormat, most: int) -> list[tuple[str, Any]]:
        """Samples of one file as `given` takes them, each with words for its place in the file, which may be empty.

        A sample that cannot be read stands there as an `InputError`. No file that this one names is opened, so that it
        may come from anybody.

        Args:
            path: Path of the file, whose name ends in one of `file_suffixes`.
            format: How tables are written, where they do not say.
            most: Largest number of samples. Of a file of more it is more that are returned, but not all.

        Raises:
            InputError: if the file cannot be read.
        """
        return rows_in(path, format, most)

    def is_one(self, value: Any) -> bool:
        """Whether a value is one sample of those that `given` takes, and no sequence of them."""
        return isinstance(value, Mapping)

    def target_rows(self, table: Table, sets: TokenSets, task: Task, on_error: str, *, known: bool) -> TargetRows:
        """Tokens or pairs of new samples that are asked about, and their targets.

        Only inputs with targets for tokens or pairs have these.

        Args:
            table: Table as `read` gave it.
            sets: Token sets as `encode` made them of it.
            task: Task of the targets.
            on_error: "stop" at the first wrong row, or "skip".
            known: Whether the targets are in the table and wanted.
        """
        raise NotImplementedError(f"{self.kind} has no targets for each {task.level}")

    @abstractmethod
    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        """The columns' values, one entry or row for each row of the table; wrong rows are reported."""

    @abstractmethod
    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        """The tokens of parsed values; those of a wrong row, which is reported, are none."""

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """A sample as the model sees it: random identifiers, and in training augmentations.

        Args:
            sample: as `encode` made it.
            random: source of all randomness; in evaluation it is seeded by what the sample holds.
            training: whether augmentations are wanted.
        """
        return sample

    def size_of(self, tokens: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """How many tokens the model sees of samples of so many tokens and edges."""
        return tokens + edges

    @abstractmethod
    def pieces(self, sample: Sample) -> list[str]:
        """What each token of a sample shows in an explanation."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""

    @classmethod
    @abstractmethod
    def from_json(cls, values: dict[str, Any]) -> Inputs:
        """The inverse of `to_json`."""
