"""Linear models of many sparse features, solved by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sampleformer.extras import require
from sampleformer.models.fitted.base import EXTRA
from sampleformer.models.fitted.columns import CLASSES, VALUES, Columns

TOLERANCE = 1e-4
"""Largest gradient at which a search ends, and the accuracy of a ridge regression."""
_ROUNDS = 200
_FEWEST = 0.5  # a class that was never seen counts as half a row


def line(columns: Columns, output: int, features: Any, strength: float) -> tuple[np.ndarray, float]:
    """Weights and bias of one output: ridge regression of a value, logistic regression of a class or label.

    ``min ½ |w|² + C Σ ℓ(w · x_i + b, y_i)``, with the logistic loss, or half the squared error of a value. A class is
    told from all others.

    Args:
        columns: Targets of all rows.
        output: Number of the output.
        features: ``(rows, f)``, sparse.
        strength: C: what the errors weigh against the weights. Above 0.

    Returns:
        w ``(f,)`` and b. Where all known rows agree, w is 0.

    Source: Fan et al. 2008, LIBLINEAR: a library for large linear classification, section 2.
    """
    target = columns.output(output)
    known = np.flatnonzero(~np.isnan(target))
    target = target[known]
    if len(known) == 0 or target.min() == target.max():
        return np.zeros(features.shape[1]), _constant(columns, target)
    rows = features if len(known) == features.shape[0] else features[known]
    linear = require("sklearn.linear_model", EXTRA)
    if columns.form == VALUES:
        made = linear.Ridge(alpha=1 / strength, solver="sparse_cg", tol=TOLERANCE).fit(rows, target)
        return made.coef_, float(made.intercept_)
    with warnings.catch_warnings():  # of a search stopped at its last allowed round: the validation part judges it
        warnings.filterwarnings("ignore", category=require("sklearn.exceptions", EXTRA).ConvergenceWarning)
        made = linear.LogisticRegression(C=strength, max_iter=_ROUNDS, tol=TOLERANCE).fit(rows, target.astype(np.int64))
    return made.coef_[0], float(made.intercept_[0])


def lines(columns: Columns, one: Callable[[int], tuple[np.ndarray, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(f, outputs)`` and biases ``(outputs,)`` of all outputs; of two classes one is solved.

    Args:
        columns: Targets of all rows.
        one: Weights and bias of an output, by its number, as `line` gives them.
    """
    if columns.form == CLASSES and columns.outputs == 2:
        weights, bias = one(1)  # the log-odds of the second class
        return np.stack([-weights, weights], axis=1) / 2, np.array([-bias, bias]) / 2
    solved = [one(output) for output in range(columns.outputs)]
    return np.stack([weights for weights, _ in solved], axis=1), np.array([bias for _, bias in solved])


def _constant(columns: Columns, target: np.ndarray) -> float:
    """The bias where all known rows have one value, or no row is known."""
    if columns.form == VALUES:
        return float(target[0]) if len(target) else 0.0
    return float(np.log((target.sum() + _FEWEST) / ((1 - target).sum() + _FEWEST)))
