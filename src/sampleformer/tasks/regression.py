"""Numbers, standardised for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.tables.report import RowReport
from sampleformer.tables.standardisation import check_scales, mean_and_deviation, standardised
from sampleformer.tables.values import parse_number_targets, parse_numbers
from sampleformer.tasks.metrics import number_metrics
from sampleformer.tasks.predictions import Predictions
from sampleformer.tasks.task import TargetSummary, Task

if TYPE_CHECKING:
    from typing_extensions import Self

    from sampleformer.tables.table import Table


class Regression(Task):
    """One or several columns of numbers, standardised for the model.

    Args:
        columns: Names of the columns.
        mean, deviation: Mean and standard deviation of each column in the training part, in the column's unit.
        level: What a target is for: "sample" or "token".
    """

    name = "regression"
    losses = ("squared", "huber", "absolute")
    target_kinds = "f"
    output_noun = "value"

    def __init__(self, columns: list[str], mean: list[float], deviation: list[float], level: str | None = None) -> None:
        super().__init__(columns, level)
        self.mean = np.array(mean, dtype=np.float64)
        self.deviation = np.array(deviation, dtype=np.float64)

    @classmethod
    def parse_columns(cls, table: Table, columns: list[str], report: RowReport, *, gaps: bool = False) -> np.ndarray:
        if gaps:
            return parse_numbers(table, columns, report, missing_allowed=True)
        return parse_number_targets(table, columns, report)

    @classmethod
    def check_values(cls, values: np.ndarray, columns: list[str], report: RowReport) -> None:
        check_scales(values, columns, report)

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str, level: str | None = None) -> Self:
        mean, deviation = mean_and_deviation(values)
        return cls(columns, mean.tolist(), deviation.tolist(), level)

    @property
    def labels(self) -> list[str]:
        return self.columns

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        return standardised(values, self.mean, self.deviation, self.columns, report)

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Standardised values ``(rows, columns)`` in the columns' units."""
        return outputs.astype(np.float64) * self.deviation + self.mean

    def decode(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        values = self.in_units(outputs)
        return {name: values[:, place].tolist() for place, name in enumerate(self.columns)}

    def decode_targets(self, targets: np.ndarray) -> dict[str, list[Any]]:
        columns = self.decode(targets)
        return {f"target_{name}": ["" if np.isnan(v) else v for v in values] for name, values in columns.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("mae", "rmse", "r2")

    def score(self, predictions: Predictions) -> dict[str, float]:
        assert predictions.targets is not None
        return number_metrics(self.in_units(predictions.outputs), self.in_units(predictions.targets))

    def summarize(self, targets: np.ndarray) -> TargetSummary:
        values = self.in_units(targets)
        return TargetSummary(means={name: float(np.nanmean(values[:, i])) for i, name in enumerate(self.columns)})

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
