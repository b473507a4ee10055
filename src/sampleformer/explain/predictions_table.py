"""Predictions of a run for its test part, as the report reads them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from sampleformer.errors import InputError
from sampleformer.explain.confusion import confusion, count_pairs
from sampleformer.explain.label_scores import label_scores
from sampleformer.explain.residuals import residuals
from sampleformer.tasks import Classification, MaskedCodes, MaskedNumbers, MultiLabel, Regression, Task


@dataclass(frozen=True)
class PredictionsTable:
    """The table ``test_predictions.csv`` of a run.

    Args:
        labels: Class names or target columns.
        ids: Name of the sample of each row.
        columns: Cells of each other column.
    """

    labels: Sequence[str]
    ids: Sequence[str]
    columns: dict[str, list[str]]

    title: ClassVar[str] = ""
    """Heading of `html`; empty: there is nothing to show."""
    words_for_shown: ClassVar[str] = ""
    """What is special about the samples of `to_show`."""

    @classmethod
    def needed(cls, labels: Sequence[str]) -> list[str]:
        """Columns that the table must have."""
        return []

    def check(self, path: Path) -> None:
        """Refuses cells that no run of the task wrote."""

    def html(self, unit: str) -> str:
        """A summary of all rows.

        Args:
            unit: What one row is for.
        """
        return ""

    def to_show(self, number: int) -> list[int]:
        """Rows worth a look: half of them predicted badly, and of different classes."""
        worst, others = self._worst_and_others()
        chosen = worst[: number // 2]
        left = [row for row in others if row not in chosen]
        return sorted(chosen + left[: number - len(chosen)])

    def _worst_and_others(self) -> tuple[list[int], list[int]]:
        return [], list(range(len(self.ids)))

    def _pairs(self, predicted: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Truth and prediction by label; the columns of predictions are called by a pattern."""
        return {
            label: (self._numbers(f"target_{label}"), self._numbers(predicted.format(label))) for label in self.labels
        }

    def _numbers(self, column: str) -> np.ndarray:
        return np.array([float(cell) if cell else np.nan for cell in self.columns[column]], dtype=np.float64)


class ClassTable(PredictionsTable):
    """Predicted and true classes."""

    title = "Confusion matrix"
    words_for_shown = ", right and wrong ones where there are both"

    @classmethod
    def needed(cls, labels: Sequence[str]) -> list[str]:
        return ["target", "prediction"]

    def check(self, path: Path) -> None:
        for name in sorted({*self.columns["target"], *self.columns["prediction"]} - set(self.labels)):
            raise InputError(f"{path}: class {name!r} is none of the model's classes")

    def html(self, unit: str) -> str:
        return confusion(
            self.labels, count_pairs(self.labels, self.columns["target"], self.columns["prediction"]), f"{unit}s"
        )

    def _worst_and_others(self) -> tuple[list[int], list[int]]:
        true, predicted = self.columns["target"], self.columns["prediction"]
        order = _new_classes_first(true)
        wrong = [row for row in order if true[row] != predicted[row]]
        return wrong, [row for row in order if true[row] == predicted[row]] + wrong


class LabelsTable(PredictionsTable):
    """Probabilities and truth of several labels."""

    title = "Each label"

    @classmethod
    def needed(cls, labels: Sequence[str]) -> list[str]:
        return [f"target_{label}" for label in labels] + [f"probability_{label}" for label in labels]

    def html(self, unit: str) -> str:
        return label_scores(self._pairs("probability_{}"), f"{unit}s")


class NumbersTable(PredictionsTable):
    """Predicted and true values."""

    title = "Residuals"
    words_for_shown = ", half of them with the largest errors"

    @classmethod
    def needed(cls, labels: Sequence[str]) -> list[str]:
        return [f"target_{label}" for label in labels] + list(labels)

    def html(self, unit: str) -> str:
        return residuals(self._pairs("{}"), f"{unit}s")

    def _worst_and_others(self) -> tuple[list[int], list[int]]:
        return np.argsort(-self._errors(), kind="stable").tolist(), list(range(len(self.ids)))

    def _errors(self) -> Float[np.ndarray, " n"]:
        """Mean over the targets of the error's size, in deviations of the target."""
        pairs = self._pairs("{}").values()
        sizes = [np.abs(said - true) / max(float(np.nanstd(true)), 1e-12) for true, said in pairs]
        return np.mean(np.nan_to_num(sizes), axis=0)


def read_predictions(path: Path, task: Task) -> PredictionsTable:
    """Reads the predictions of a run for its test part.

    Raises:
        InputError: if the file is missing, lacks a column or holds a class that the model does not have.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected the predictions of a run for its test part") from error
    # Columns by place from the left: a label may be called like another column.
    columns = {name: [row[place] for row in rows] for place, name in reversed(list(enumerate(head)))}
    kind = _table_of(task)
    for name in ["id", *kind.needed(task.labels)]:
        if name not in columns:
            raise InputError(f"{path}: no column {name!r}, expected the predictions of a {task.name} run")
    table = kind(task.labels, columns["id"], columns)
    table.check(path)
    return table


@singledispatch
def _table_of(task: Task) -> type[PredictionsTable]:
    return PredictionsTable


@_table_of.register
def _(task: Classification) -> type[PredictionsTable]:
    return ClassTable


@_table_of.register(MaskedCodes)
@_table_of.register(MaskedNumbers)
def _(task: Task) -> type[PredictionsTable]:
    return PredictionsTable


@_table_of.register
def _(task: MultiLabel) -> type[PredictionsTable]:
    return LabelsTable


@_table_of.register
def _(task: Regression) -> type[PredictionsTable]:
    return NumbersTable


def _new_classes_first(classes: Sequence[str]) -> list[int]:
    """The first row of each class, then all other rows."""
    first = sorted({name: row for row, name in reversed(list(enumerate(classes)))}.values())
    left = sorted(set(range(len(classes))) - set(first))
    return first + left
