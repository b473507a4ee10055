"""Tests of the losses, against the formulas."""

import math

import numpy as np
import pytest
import torch

from sampleformer.training.objective import make_objective


def test_cross_entropy() -> None:
    loss = make_objective("classification", np.array([0, 1]), outputs=2)
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert loss(logits, torch.tensor([0, 0]), None).item() == pytest.approx(expected)


def test_balanced_classes_weigh_the_same() -> None:
    targets = np.array([0, 0, 0, 1])
    loss = make_objective("classification", targets, outputs=2, class_weights="balanced")
    logits = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    # Three of class 0, one of class 1: the mean over classes, not over rows.
    assert loss(logits, torch.from_numpy(targets), None).item() == pytest.approx((right + wrong) / 2)


def test_a_class_that_training_lacks_gets_a_finite_weight() -> None:
    loss = make_objective("classification", np.array([0, 0]), outputs=2, class_weights="balanced")
    assert math.isfinite(loss(torch.zeros(1, 2), torch.tensor([1]), None).item())


def test_unknown_labels_count_for_nothing() -> None:
    loss = make_objective("multilabel", np.array([[0.0, 1.0]]), outputs=2)
    logits = torch.tensor([[0.0, 50.0], [3.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    known = torch.tensor([[True, False], [False, True]])
    value = loss(logits, targets, known)
    assert value.item() == pytest.approx(math.log(2))
    value.backward()
    assert torch.equal(logits.grad != 0, known)


def test_balanced_labels() -> None:
    targets = np.array([[1.0], [0.0], [0.0], [0.0], [np.nan]])
    loss = make_objective("multilabel", targets, outputs=1, class_weights="balanced")
    assert loss(torch.zeros(1, 1), torch.ones(1, 1), None).item() == pytest.approx(3 * math.log(2))
    assert loss(torch.zeros(1, 1), torch.zeros(1, 1), None).item() == pytest.approx(math.log(2))


def test_squared_error_of_known_targets() -> None:
    loss = make_objective("regression", np.zeros((1, 2)), outputs=2)
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert loss(outputs, torch.zeros(2, 2), None).item() == pytest.approx(7.5)
    known = torch.tensor([[True, False], [True, False]])
    # What stands in the place of an unknown target does not matter, not even a number that is none.
    targets = torch.tensor([[0.0, float("nan")], [0.0, 9.0]])
    assert loss(outputs, targets, known).item() == pytest.approx(5.0)


def test_a_batch_without_any_known_target_is_no_error() -> None:
    loss = make_objective("regression", np.zeros((1, 1)), outputs=1)
    assert loss(torch.ones(2, 1), torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.bool)).item() == 0.0
