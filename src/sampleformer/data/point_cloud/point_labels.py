"""Labels of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport

if TYPE_CHECKING:
    from sampleformer.tasks import Task

POINT_LABELS = ("labels", "pid", "seg")
"""What a user calls the labels of points, as files of arrays do."""


class PointLabels:
    """What the numbers that files hold for points are called; negative ones are unknown.

    Args:
        names: name of 0, 1, 2, …; None: the numbers themselves.

    Raises:
        InputError: if two names are the same.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.names = None if names is None else list(names)
        twice = [name for name, count in Counter(self.names or ()).items() if count > 1]
        if twice:
            raise InputError(f"names: found {twice[0]!r} twice, expected a name for each label")

    def found(self, clouds: Iterable[PlacedCloud]) -> set[str]:
        """Names of all labels that clouds have."""
        return {self._name(number) for number in _different(clouds) if number >= 0}

    def encode(self, rows: CloudRows, task: Task, report: RowReport) -> np.ndarray:
        """The labels of all points of rows as the model's classes, ``(total,)`` int64, −1 where unknown.

        Args:
            rows: with clouds in memory.
            task: Task that knows the classes.
            report: is told of clouds without labels, or with one that training did not have; all theirs are unknown.
        """
        parts = [np.zeros(0, np.int64)]
        for row, placed in enumerate(rows.clouds):
            assert isinstance(placed, PlacedCloud)
            if placed.cloud.labels is None:
                report.add(row, "found no labels of points, expected one for each")
            numbers, inverse = np.unique(_labels(placed.cloud), return_inverse=True)
            names = np.array([self._name(number) for number in numbers.tolist()], dtype=object)
            classes = np.full(len(numbers), -1, np.int64)
            known = numbers >= 0
            at_row = RowReport(rows.path, lambda _, row=row: rows.place(row), report.on_error)  # type: ignore[misc]
            classes[known] = task.encode(names[known], at_row)
            if at_row.wrong:
                report.add(row, next(iter(at_row.wrong.values())))
                classes[:] = -1
            parts.append(classes[inverse.reshape(-1)])
        return np.concatenate(parts)

    def check(self, rows: CloudRows, clouds: Sequence[PlacedCloud]) -> None:
        """Refuses numbers that no name stands for.

        Raises:
            InputError: for the first cloud that has one.
        """
        for row, placed in enumerate(clouds):
            highest = int(_labels(placed.cloud).max(initial=-1))
            if self.names is not None and highest >= len(self.names):
                raise InputError(
                    f"{rows.path}: {rows.place(row)}: found the label {highest}, expected at most {len(self.names) - 1}"
                )

    def _name(self, number: int) -> str:
        return str(number) if self.names is None or not 0 <= number < len(self.names) else self.names[number]

    def to_json(self) -> list[str] | None:
        """The constructor's argument."""
        return self.names


def _labels(cloud: Cloud) -> np.ndarray:
    return np.full(len(cloud), -1, np.int64) if cloud.labels is None else cloud.labels


def _different(clouds: Iterable[PlacedCloud]) -> set[int]:
    return {number for each in clouds for number in np.unique(_labels(each.cloud)).tolist()}
