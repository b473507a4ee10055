"""How much a score would change with other test rows or other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sampleformer.tasks import Predictions, Task

DRAWS = 200
"""Resamples of the test rows."""
_FEW_DRAWS = 50
_MANY_ROWS = 50_000  # of which fewer resamples tell enough, and each takes long
_FEW_SAMPLES = 20  # below, tokens or pairs are drawn one by one


def resampled_scores(task: Task, predictions: Predictions, metric: str, *, draws: int | None = None) -> np.ndarray:
    """The bootstrap: a metric on test rows drawn anew with replacement, ``(draws,)``.

    Predictions for the same rows get the same draws, so that the spread of the difference of two models is that of
    paired rows. Samples are drawn with all their targets; of fewer than 20 samples, as of one large graph, targets.

    Args:
        task: Of the predictions.
        predictions: With targets.
        metric: Name of the metric.
        draws: Number of resamples. None: 200, or 50 of very many rows.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 6.

    Example:
        >>> from sampleformer.tasks import Classification
        >>> right = Predictions(np.eye(2)[[0, 1] * 50], np.array([0, 1] * 50), ["a"] * 100, np.arange(100))
        >>> float(resampled_scores(Classification("y", ["a", "b"]), right, "accuracy").std())
        0.0
    """
    known = predictions.with_targets()
    groups = known.rows_by_sample()
    alone = len(groups) < _FEW_SAMPLES or len(groups) == len(known)
    count = len(known) if alone else len(groups)
    random = np.random.default_rng([len(known), count])
    found = np.empty(draws or (DRAWS if len(known) <= _MANY_ROWS else _FEW_DRAWS))
    for place in range(len(found)):
        drawn = random.integers(count, size=count)
        resampled = _rows(known, drawn) if alone else _samples(known, [groups[number] for number in drawn])
        found[place] = task.score(resampled)[metric]
    return found


def _samples(predictions: Predictions, groups: Sequence[np.ndarray]) -> Predictions:
    """Rows of groups, each group a sample of its own, however often it was drawn."""
    sample = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    ids = [str(number) for number in range(len(groups))]
    return replace(_rows(predictions, np.concatenate(groups)), ids=ids, sample=sample)


def _rows(predictions: Predictions, rows: np.ndarray) -> Predictions:
    assert predictions.targets is not None
    tokens = None if predictions.tokens is None else predictions.tokens[rows]
    return Predictions(
        predictions.outputs[rows], predictions.targets[rows], predictions.ids, predictions.sample[rows], tokens
    )


def spread(values: np.ndarray) -> float:
    """Standard deviation of resampled scores, without those that are not defined; 0 if fewer than two are."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0


def error_of_mean(values: Sequence[float]) -> float:
    """Standard error of a mean over seeds; 0 for one.

    Example:
        >>> round(error_of_mean([1.0, 2.0, 3.0]), 4), error_of_mean([1.0])
        (0.5774, 0.0)
    """
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
