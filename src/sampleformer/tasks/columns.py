"""A task's targets as columns for estimators."""

import numpy as np

from sampleformer.errors import InputError
from sampleformer.models.fitted.columns import CLASSES, LABELS, VALUES, Columns
from sampleformer.tasks.task import Task

FORMS = {
    "cross_entropy": CLASSES,
    "binary_cross_entropy": LABELS,
    "squared": VALUES,
    "huber": VALUES,
    "absolute": VALUES,
}
"""Forms of targets by the loss that fits them."""


def columns_of(task: Task, targets: np.ndarray) -> Columns:
    """Targets as a task encodes them, for estimators. The loss that fits the task says what they are.

    Args:
        task: Task of the targets.
        targets: ``(rows,)``, −1 where unknown, or ``(rows, o)``, NaN where unknown.

    Raises:
        InputError: if the task learns by a loss for which there is no estimator.
    """
    form = FORMS.get(task.losses[0])
    if form is None:
        raise InputError(f"the task {task.name!r} learns by {task.losses[0]!r}, expected one of {', '.join(FORMS)}")
    values = targets.astype(np.float64)
    if form == CLASSES:
        values = np.where(values < 0, np.nan, values)[:, None]
    return Columns(form, values, task.outputs)
