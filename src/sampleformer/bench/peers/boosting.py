"""Gradient-boosted trees over numbers of a sample, such as the fingerprint of a molecule, as a baseline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.bench.peers.baseline import BaselineResult, Judge, Score
from sampleformer.extras import require
from sampleformer.tasks import Classification, MultiLabel, Regression, Task

SMALLEST = 1e-7
"""Of a probability, so that it has a logarithm."""


@dataclass(frozen=True)
class NumbersPart:
    """One part of the data.

    Args:
        features: ``(N, f)``.
        targets: classes ``(N,)``, or columns ``(N, o)`` of 0 and 1 or of values, NaN where unknown.
    """

    features: np.ndarray
    targets: np.ndarray


def train_boosting(
    parts: tuple[NumbersPart, NumbersPart, NumbersPart],
    task: Task,
    score: Score,
    *,
    trees: int = 300,
    learning_rate: float = 0.1,
    check_every: int = 10,
    seed: int = 0,
    selected_by: str | None = None,
) -> BaselineResult:
    """Trains scikit-learn's histogram gradient boosting, one model a column, or one for all classes.

    The number of trees that is best on the validation part, one for all columns, is found by looking back; "last" has
    all of them. Outputs are log-probabilities, log-odds and values, as those of a network.

    Args:
        parts: training, validation and test.
        task: of the data.
        score: of outputs and targets, the same as for our own models.
        trees: of each column, or of each class.
        learning_rate: of a tree.
        check_every: trees between looks at the validation part.
        seed: of scikit-learn.
        selected_by: name of the score that chooses the number of trees; None: that of the task.

    Raises:
        InputError: if scikit-learn is not installed.

    Source: `sklearn.ensemble.HistGradientBoostingClassifier` and `HistGradientBoostingRegressor`.
    """
    train, valid, test = parts
    start = time.perf_counter()
    options = {"max_iter": trees, "learning_rate": learning_rate, "early_stopping": False, "random_state": seed}
    models = _fitted(train, task, options)
    judge = Judge(task, score, train.targets, selected_by)
    for step, found in _stages(models, valid.features, task, trees):
        if step % check_every == 0 or step == trees:
            judge.is_best(step, found, valid.targets)
    seconds = time.perf_counter() - start
    kept = {
        step: found for step, found in _stages(models, test.features, task, trees) if step in (judge.best_step, trees)
    }
    assert judge.best_valid is not None
    return BaselineResult(
        best=score(kept[judge.best_step], test.targets),
        last=score(kept[trees], test.targets),
        best_valid=judge.best_valid,
        last_valid=judge.last_valid,
        best_step=judge.best_step,
        steps=trees,
        seconds=seconds,
        parameters=None,
    )


def _fitted(train: NumbersPart, task: Task, options: dict[str, Any]) -> list[Any]:
    """A model for each column, or a number for a column with nothing to learn from; one model for all classes."""
    ensemble = require("sklearn.ensemble", "peers")
    if isinstance(task, Regression):
        models = [ensemble.HistGradientBoostingRegressor(**options) for _ in train.targets.T]
    else:
        columns = 1 if isinstance(task, Classification) else train.targets.shape[1]
        models = [ensemble.HistGradientBoostingClassifier(**options) for _ in range(columns)]
    targets = train.targets[:, None] if isinstance(task, Classification) else train.targets
    unknown = 0.5 if isinstance(task, MultiLabel) else 0.0
    return [_fit(model, train.features, column, unknown) for model, column in zip(models, targets.T, strict=True)]


def _fit(model: Any, features: np.ndarray, targets: np.ndarray, unknown: float) -> Any:
    known = ~np.isnan(targets)
    values = np.unique(targets[known])
    if len(values) > 1:
        return model.fit(features[known], targets[known])
    return float(values[0]) if len(values) else unknown


def _stages(models: list[Any], features: np.ndarray, task: Task, trees: int) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers of trees, from 1 on, and the outputs ``(N, o)`` float32 with so many."""
    if isinstance(task, Classification):
        stages = [_class_stages(models[0], features, task.outputs, trees)]
    else:
        stages = [_column_stages(model, features, task, trees) for model in models]
    for step, columns in enumerate(zip(*stages, strict=True), start=1):
        yield step, np.concatenate(columns, axis=1).astype(np.float32)


def _class_stages(model: Any, features: np.ndarray, classes: int, trees: int) -> Iterator[np.ndarray]:
    """Log-probabilities of all classes; those that the training part does not have get the smallest."""
    if isinstance(model, float):
        found, present = iter([np.ones((len(features), 1))] * trees), [int(model)]
    else:
        found, present = model.staged_predict_proba(features), model.classes_.astype(int)
    for probabilities in found:
        every = np.zeros((len(features), classes))
        every[:, present] = probabilities
        yield np.log(every.clip(SMALLEST))


def _column_stages(model: Any, features: np.ndarray, task: Task, trees: int) -> Iterator[np.ndarray]:
    """Log-odds of 1, or values, as one column."""
    if isinstance(model, float):
        found = iter([np.full(len(features), model)] * trees)
    elif isinstance(task, Regression):
        found = model.staged_predict(features)
    else:
        found = (probabilities[:, 1] for probabilities in model.staged_predict_proba(features))
    for values in found:
        yield (values if isinstance(task, Regression) else _log_odds(values))[:, None]


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    clipped = probabilities.clip(SMALLEST, 1 - SMALLEST)
    return np.log(clipped / (1 - clipped))
