"""Target columns: the task they make, how they become numbers, and how outputs become columns again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sampleformer.data.column_values import parse_flags, parse_labels, parse_number_targets
from sampleformer.data.report import RowReport
from sampleformer.data.standardisation import mean_and_deviation, standardised
from sampleformer.errors import listed, shown
from sampleformer.settings import construct

if TYPE_CHECKING:
    from sampleformer.data.table import Table


class Targets(ABC):
    """The target columns of a table.

    A subclass names under what it is saved: ``class ClassTarget(Targets, saved_as="classification")``.
    """

    kinds: ClassVar[dict[str, type[Targets]]] = {}
    task: ClassVar[str]
    scored_as: ClassVar[str | None] = None
    """Which scores it has, if not simply those of its task."""
    columns: list[str]

    def __init_subclass__(cls, saved_as: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kinds[saved_as] = cls

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """Class names, or names of the target columns: one for each output of the model."""

    @abstractmethod
    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        """The columns' values, one entry or row for each row of the table; wrong rows are reported."""

    @abstractmethod
    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        """Parsed values as numbers for the loss."""

    @abstractmethod
    def predictions(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        """Raw outputs ``(b, outputs)`` as the columns of a predictions file."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""


class ClassTarget(Targets, saved_as="classification"):
    """One column of class names.

    Args:
        column: its name.
        labels: all class names, in the order of the model's outputs.
    """

    task = "classification"

    def __init__(self, column: str, labels: list[str]) -> None:
        self.columns = [column]
        self._labels = labels
        self._numbers = {label: number for number, label in enumerate(labels)}

    @property
    def labels(self) -> list[str]:
        return self._labels

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_labels(table, self.columns[0], report)

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        numbers = np.array([self._numbers.get(value, -1) for value in values], dtype=np.int64)
        for row in np.flatnonzero(numbers < 0):
            report.add(
                int(row),
                f"column {self.columns[0]!r}: label {shown(values[row])} does not occur in the training part; "
                f"expected one of: {listed(self._labels)}",
            )
        return numbers

    def predictions(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        shifted = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=1, keepdims=True)
        columns: dict[str, list[Any]] = {"prediction": [self._labels[place] for place in outputs.argmax(axis=1)]}
        for number, label in enumerate(self._labels):
            columns[f"probability_{label}"] = probabilities[:, number].tolist()
        return columns

    def to_json(self) -> dict[str, Any]:
        return {"task": self.task, "column": self.columns[0], "labels": self._labels}


class MultiLabelTarget(Targets, saved_as="multilabel"):
    """Several columns of 0 and 1; a missing value is unknown and does not count.

    Args:
        columns: their names.
    """

    task = "multilabel"

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns

    @property
    def labels(self) -> list[str]:
        return self.columns

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_flags(table, self.columns, report)

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        return values.astype(np.float32)

    def predictions(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        probabilities = 0.5 * (1.0 + np.tanh(0.5 * outputs.astype(np.float64)))
        return {f"probability_{name}": probabilities[:, place].tolist() for place, name in enumerate(self.columns)}

    def to_json(self) -> dict[str, Any]:
        return {"task": self.task, "columns": self.columns}


class NumberTarget(Targets, saved_as="regression"):
    """One or several columns of numbers, standardised for the model.

    Args:
        columns: their names.
        mean, deviation: of each column in the training part, in the column's unit.
    """

    task = "regression"

    def __init__(self, columns: list[str], mean: list[float], deviation: list[float]) -> None:
        self.columns = columns
        self.mean = np.array(mean, dtype=np.float64)
        self.deviation = np.array(deviation, dtype=np.float64)

    @property
    def labels(self) -> list[str]:
        return self.columns

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray) -> NumberTarget:
        """Takes mean and deviation from the values ``(rows, columns)`` of the training part; NaN is unknown."""
        mean, deviation = mean_and_deviation(values)
        return cls(columns, mean.tolist(), deviation.tolist())

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_number_targets(table, self.columns, report)

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        return standardised(values, self.mean, self.deviation, self.columns, report)

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Standardised values ``(b, columns)`` in the columns' units."""
        return outputs.astype(np.float64) * self.deviation + self.mean

    def predictions(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        values = self.in_units(outputs)
        return {name: values[:, place].tolist() for place, name in enumerate(self.columns)}

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "columns": self.columns,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }


def targets_from_json(values: dict[str, Any]) -> Targets:
    """The inverse of `Targets.to_json`."""
    arguments = {name: value for name, value in values.items() if name != "task"}
    return construct(Targets.kinds[values["task"]], arguments, "targets")
