"""Tests of the losses, against the formulas."""

import math

import numpy as np
import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.settings import Component
from sampleformer.tasks import LOSSES, Classification, Loss, MultiLabel, Regression, Task
from sampleformer.tasks.losses import AbsoluteError, BinaryCrossEntropy, CrossEntropy, HuberError, SquaredError
from sampleformer.training.loss import make_loss


def test_cross_entropy() -> None:
    loss = CrossEntropy(np.array([0, 1]), 2)
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert loss(logits, torch.tensor([0, 0]), None).item() == pytest.approx(expected)


def test_balanced_classes_weigh_the_same() -> None:
    targets = np.array([0, 0, 0, 1])
    loss = CrossEntropy(targets, 2, class_weights="balanced")
    logits = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    # Three of class 0, one of class 1: the mean over classes, not over rows.
    assert loss(logits, torch.from_numpy(targets), None).item() == pytest.approx((right + wrong) / 2)


def test_a_class_that_training_lacks_gets_a_finite_weight() -> None:
    loss = CrossEntropy(np.array([0, 0]), 2, class_weights="balanced")
    assert math.isfinite(loss(torch.zeros(1, 2), torch.tensor([1]), None).item())


def test_unknown_labels_count_for_nothing() -> None:
    loss = BinaryCrossEntropy(np.array([[0.0, 1.0]]), 2)
    logits = torch.tensor([[0.0, 50.0], [3.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    known = torch.tensor([[True, False], [False, True]])
    value = loss(logits, targets, known)
    assert value.item() == pytest.approx(math.log(2))
    value.backward()
    assert torch.equal(logits.grad != 0, known)


def test_balanced_labels() -> None:
    targets = np.array([[1.0], [0.0], [0.0], [0.0], [np.nan]])
    loss = BinaryCrossEntropy(targets, 1, class_weights="balanced")
    assert loss(torch.zeros(1, 1), torch.ones(1, 1), None).item() == pytest.approx(3 * math.log(2))
    assert loss(torch.zeros(1, 1), torch.zeros(1, 1), None).item() == pytest.approx(math.log(2))


def test_squared_error_of_known_targets() -> None:
    loss = SquaredError(np.zeros((1, 2)), 2)
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert loss(outputs, torch.zeros(2, 2), None).item() == pytest.approx(7.5)
    known = torch.tensor([[True, False], [True, False]])
    # What stands in the place of an unknown target does not matter, not even a number that is none.
    targets = torch.tensor([[0.0, float("nan")], [0.0, 9.0]])
    assert loss(outputs, targets, known).item() == pytest.approx(5.0)


def test_a_batch_without_any_known_target_is_no_error() -> None:
    loss = SquaredError(np.zeros((1, 1)), 1)
    assert loss(torch.ones(2, 1), torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.bool)).item() == 0.0


def test_errors_of_numbers() -> None:
    outputs, targets = torch.tensor([[0.5, 3.0]]), torch.zeros(1, 2)
    assert AbsoluteError(np.zeros((1, 2)), 2)(outputs, targets, None).item() == pytest.approx(1.75)
    # Half the square up to delta, delta (|e| - delta / 2) beyond.
    assert HuberError(np.zeros((1, 2)), 2)(outputs, targets, None).item() == pytest.approx((0.125 + 2.5) / 2)
    wide = HuberError(np.zeros((1, 2)), 2, delta=2.0)
    assert wide(outputs, targets, None).item() == pytest.approx((0.125 + 4.0) / 2)
    with pytest.raises(ValueError, match="delta is 0.0, expected a positive number"):
        HuberError(np.zeros((1, 2)), 2, delta=0.0)


TASKS = [Classification("y", ["a", "b"]), MultiLabel(["a", "b"]), Regression(["a", "b"], [0.0, 0.0], [1.0, 1.0])]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_for_the_tasks_that_name_it(task: Task, name: str) -> None:
    targets = np.array([0, 1]) if isinstance(task, Classification) else np.array([[0.0, 1.0]])
    if name in task.losses:
        assert isinstance(make_loss(task, Component(name=name), targets), LOSSES[name])
    else:
        with pytest.raises(InputError, match=f"training.loss: found '{name}' for the task '{task.name}'"):
            make_loss(task, Component(name=name), targets)


def test_the_first_loss_is_the_default_and_a_users_own_is_taken() -> None:
    assert isinstance(make_loss(TASKS[2], None, np.zeros((1, 2))), SquaredError)
    own = Component(name=f"{__name__}.Quartic")
    loss = make_loss(TASKS[2], own, np.zeros((1, 2)))
    assert loss(torch.full((1, 2), 2.0), torch.zeros(1, 2), None).item() == 16.0
    with pytest.raises(InputError, match="training.loss.class_weights: .*'even'"):
        make_loss(TASKS[0], Component(name="cross_entropy", class_weights="even"), np.array([0, 1]))


class Quartic(SquaredError):
    """A loss of a user's own."""

    def errors(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().errors(outputs, targets) ** 2


def test_losses_of_chunks_add_up() -> None:
    random = torch.Generator().manual_seed(0)
    for loss, targets in (
        (CrossEntropy(np.array([0, 0, 1]), 2, class_weights="balanced"), torch.tensor([0, 1, 1, 0, 0])),
        (SquaredError(np.zeros((1, 2)), 2), torch.randn(5, 2, generator=random)),
    ):
        _add_up(loss, torch.randn(5, 2, generator=random), targets)


def _add_up(loss: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    weight = loss.weights(targets, None).sum()
    parts = [loss.losses(outputs[part], targets[part], None).sum() / weight for part in (slice(2), slice(2, 5))]
    assert sum(parts).item() == pytest.approx(loss(outputs, targets, None).item(), rel=1e-6)
