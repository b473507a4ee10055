"""Several labels of 0 and 1, links between tokens among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.tables.report import RowReport
from sampleformer.tables.values import parse_flags
from sampleformer.tasks.metrics import label_metrics
from sampleformer.tasks.predictions import Predictions
from sampleformer.tasks.task import TargetSummary, Task

if TYPE_CHECKING:
    from typing_extensions import Self

    from sampleformer.tables.table import Table

_LEAST = 1e-30


class MultiLabel(Task):
    """Several columns of 0 and 1; a missing value is unknown and does not count.

    Args:
        columns: Names of the columns.
        level: What a target is for: "sample" or "token".
    """

    name = "multilabel"
    losses = ("binary_cross_entropy",)
    target_kinds = "f"

    @classmethod
    def parse_columns(cls, table: Table, columns: list[str], report: RowReport, *, gaps: bool = False) -> np.ndarray:
        return parse_flags(table, columns, report)

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str, level: str | None = None) -> Self:
        return cls(columns, level)

    @property
    def labels(self) -> list[str]:
        return self.columns

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        return values.astype(np.float32)

    def check_targets(self, targets: np.ndarray) -> None:
        super().check_targets(targets)
        wrong = ~np.isnan(targets) & (targets != 0) & (targets != 1)
        if wrong.any():
            raise ValueError(f"found {targets[wrong][0]}, expected 0 or 1, or NaN where unknown")

    def decode(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        probabilities = self.activation(outputs)
        return {f"probability_{name}": probabilities[:, place].tolist() for place, name in enumerate(self.columns)}

    def decode_targets(self, targets: np.ndarray) -> dict[str, list[Any]]:
        return {
            f"target_{name}": ["" if np.isnan(value) else value for value in targets[:, place].tolist()]
            for place, name in enumerate(self.columns)
        }

    def activation(self, outputs: np.ndarray) -> np.ndarray:
        return 0.5 * (1.0 + np.tanh(0.5 * outputs.astype(np.float64)))

    def inverse_activation(self, values: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(values, _LEAST)) - np.log(np.maximum(1 - values, _LEAST))

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("average_precision", "auroc")

    def score(self, predictions: Predictions) -> dict[str, float]:
        assert predictions.targets is not None
        return label_metrics(predictions.outputs, predictions.targets)

    def summarize(self, targets: np.ndarray) -> TargetSummary:
        return TargetSummary(
            counts={label: int((targets[:, place] == 1).sum()) for place, label in enumerate(self.columns)}
        )

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns}


class Link(MultiLabel):
    """Whether an edge joins two tokens.

    Args:
        columns: Names of the columns, by default the one column "link".
        level: "pair".
    """

    name = "link"
    levels = ("pair",)
