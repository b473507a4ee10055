"""The loss of a training, by its name."""

import numpy as np

from sampleformer.errors import InputError, nearest
from sampleformer.settings import Component
from sampleformer.tasks import LOSSES, Loss, Task


def make_loss(task: Task, loss: Component | None, targets: np.ndarray) -> Loss:
    """The loss of a training.

    Args:
        task: Task of the training.
        loss: Name in `LOSSES`, or import path of a `Loss`, with its arguments. None: the first of the task's losses.
        targets: Targets of the training part, ``(rows,)`` or ``(rows, o)``.

    Raises:
        InputError: if the loss does not fit the task, or an argument is wrong.
    """
    if loss is not None and loss.name in LOSSES and loss.name not in task.losses:
        raise InputError(
            f"training.loss: found {loss.name!r} for the task {task.name!r}; {nearest(loss.name, task.losses)}"
        )
    chosen = loss or Component(name=task.losses[0])
    made: Loss = chosen.build(LOSSES, "training.loss", targets=targets, outputs=task.outputs)
    return made
