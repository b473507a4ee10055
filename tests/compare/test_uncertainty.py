"""Standard errors against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from sampleformer.compare.uncertainty import error_of_mean, resampled_scores, spread
from sampleformer.tasks import Classification, MultiLabel, Predictions


def answers(right: np.ndarray, sample: np.ndarray | None = None) -> Predictions:
    """Predictions for the class 1, right or wrong."""
    rows = len(right)
    outputs = np.zeros((rows, 2), np.float32)
    outputs[np.arange(rows), np.where(right, 1, 0)] = 1
    sample = np.arange(rows) if sample is None else sample
    tokens = None if len(np.unique(sample)) == rows else np.arange(rows)
    return Predictions(outputs, np.ones(rows, np.int64), [str(row) for row in range(rows)], sample, tokens)


TASK = Classification("y", ["a", "b"])


def test_the_error_of_an_accuracy_is_binomial() -> None:
    right = np.arange(400) % 4 > 0
    found = spread(resampled_scores(TASK, answers(right), "accuracy", draws=400))
    assert found == pytest.approx(np.sqrt(0.75 * 0.25 / 400), rel=0.15)


def test_two_models_get_the_same_rows() -> None:
    right = np.arange(200) % 3 > 0
    worse = right & (np.arange(200) != 1)
    first, second = (resampled_scores(TASK, answers(each), "accuracy") for each in (right, worse))
    assert spread(first - second) < spread(first) / 5
    np.testing.assert_array_equal(first, resampled_scores(TASK, answers(right), "accuracy"))


def test_tokens_of_a_sample_stay_together() -> None:
    """All tokens of a sample are right or all are wrong: there are 40 answers, not 400."""
    sample = np.repeat(np.arange(40), 10)
    right = np.repeat(np.arange(40) % 2 == 0, 10)
    found = spread(resampled_scores(TASK, answers(right, sample), "accuracy", draws=400))
    assert found == pytest.approx(np.sqrt(0.25 / 40), rel=0.2)
    one = np.zeros(400, np.int64)  # of one graph, nodes are all there is
    assert spread(resampled_scores(TASK, answers(right, one), "accuracy", draws=400)) < found / 2


def test_a_metric_that_some_draws_do_not_have() -> None:
    targets = np.array([[1.0], [0.0], [np.nan]], np.float32)
    few = Predictions(np.array([[1.0], [0.0], [0.0]]), targets, ["a", "b", "c"], np.arange(3))
    drawn = resampled_scores(MultiLabel(["y"]), few, "average_precision")
    assert np.isnan(drawn).any()
    assert spread(drawn) == 0.0


def test_over_seeds() -> None:
    assert error_of_mean([0.9, 0.8, 0.7]) == pytest.approx(0.1 / np.sqrt(3))
    assert error_of_mean([0.9]) == 0.0
