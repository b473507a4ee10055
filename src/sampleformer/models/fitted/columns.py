"""Targets as columns for estimators, and their answers as the outputs of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

CLASSES, LABELS, VALUES = "classes", "labels", "values"

_SMALLEST = 1e-7  # of a probability, so that it has a logarithm

Estimator = Any
"""An estimator of scikit-learn, or the one value that a column has."""


@dataclass(frozen=True)
class Columns:
    """Targets of the training part.

    Args:
        form: "classes": one column of class numbers; "labels": columns of 0 and 1; "values": columns of numbers.
        targets: ``(rows, columns)`` float64, NaN where unknown.
        outputs: Number of outputs that the task wants.
    """

    form: str
    targets: np.ndarray
    outputs: int

    def taken(self, rows: np.ndarray) -> Columns:
        """Some of the rows."""
        return replace(self, targets=self.targets[rows])

    def output(self, number: int) -> np.ndarray:
        """What one output is to say: its value, or 1 for the rows of its class or label and 0 for others; NaN: unknown.

        Args:
            number: Number of the output.
        """
        if self.form == CLASSES:
            column = self.targets[:, 0]
            return np.where(np.isnan(column), np.nan, column == number)
        return self.targets[:, number]

    def means(self) -> np.ndarray:
        """Means of the known targets, ``(columns,)``; where none is known, what says nothing: 0.5 of a label, 0."""
        known = ~np.isnan(self.targets)
        nothing = 0.5 if self.form == LABELS else 0.0
        return np.where(known.any(0), np.nansum(self.targets, axis=0) / np.maximum(1, known.sum(0)), nothing)

    def filled(self) -> np.ndarray:
        """Targets with the mean of the column for each that is unknown, ``(rows, columns)``; of labels or values."""
        return np.where(np.isnan(self.targets), self.means(), self.targets)

    def fitted(self, make: Callable[[], Any], features: Any, old: Sequence[Estimator] | None = None) -> list[Estimator]:
        """An estimator for each column, fitted on the rows whose target is known.

        Args:
            make: Makes an estimator.
            features: Of all rows, ``(rows, f)``.
            old: Estimators to go on with. None: new ones.
        """
        models = old or [None] * self.targets.shape[1]
        return [self._fit(model, make, features, column) for model, column in zip(models, self.targets.T, strict=True)]

    def _fit(self, model: Estimator, make: Callable[[], Any], features: Any, column: np.ndarray) -> Estimator:
        known = ~np.isnan(column)
        values = np.unique(column[known])
        if len(values) > 1:
            model = make() if model is None else model
            rows = features if known.all() else features[known]
            return model.fit(rows, column[known] if self.form == VALUES else column[known].astype(np.int64))
        return float(values[0]) if len(values) else (0.5 if self.form == LABELS else 0.0)

    def predict(self, models: Sequence[Estimator], features: Any) -> np.ndarray:
        """Outputs of estimators: log-probabilities of classes, log-odds of labels, or values, ``(rows, o)`` float32."""
        if self.form == CLASSES:
            return self._log_probabilities(models[0], features)
        columns = [self._column(model, features) for model in models]
        return np.stack(columns, axis=1).astype(np.float32)

    def _log_probabilities(self, model: Estimator, features: Any) -> np.ndarray:
        every = np.zeros((features.shape[0], self.outputs))
        if isinstance(model, float):
            every[:, int(model)] = 1.0
        else:
            every[:, model.classes_.astype(np.int64)] = model.predict_proba(features)
        return np.log(every.clip(_SMALLEST)).astype(np.float32)

    def _column(self, model: Estimator, features: Any) -> np.ndarray:
        if self.form == VALUES:
            return np.full(features.shape[0], model) if isinstance(model, float) else model.predict(features)
        found = np.full(features.shape[0], model) if isinstance(model, float) else model.predict_proba(features)[:, 1]
        return log_odds(found)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, finite also for 0 and 1.

    Example:
        >>> log_odds(np.array([0.5])).tolist()
        [0.0]
    """
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.log(clipped / (1 - clipped))
