"""What a model learns: targets, losses, metrics and predictions of each task."""

from collections.abc import Mapping
from typing import Any

from sampleformer.registry import Registry
from sampleformer.settings import construct
from sampleformer.tasks.classification import Classification, PartSegmentation, Segmentation
from sampleformer.tasks.inference import InferredTask, infer_task
from sampleformer.tasks.losses import LOSSES, Loss
from sampleformer.tasks.masked import Contents, Masked, MaskedCodes, MaskedNumbers
from sampleformer.tasks.multilabel import Link, MultiLabel
from sampleformer.tasks.predictions import Predictions, count_known, is_known
from sampleformer.tasks.regression import Regression
from sampleformer.tasks.task import TargetSummary, Task

TASKS: Registry[Task] = Registry(
    Task,  # type: ignore[type-abstract]
    {
        each.name: each
        for each in (
            Classification,
            MultiLabel,
            Regression,
            Link,
            Masked,
            MaskedCodes,
            MaskedNumbers,
            Segmentation,
            PartSegmentation,
        )
    },
)


def task_to_json(task: Task) -> dict[str, Any]:
    """A task as plain values."""
    return {"task": task.name, "level": task.level, **task.to_json()}


def task_from_json(values: Mapping[str, Any]) -> Task:
    """The inverse of `task_to_json`.

    Raises:
        InputError: if the values are not those of a task.
    """
    arguments = {name: value for name, value in values.items() if name != "task"}
    return construct(TASKS.resolve(values["task"], "task"), arguments, "task")


__all__ = [
    "LOSSES",
    "TASKS",
    "Classification",
    "Contents",
    "InferredTask",
    "Link",
    "Loss",
    "Masked",
    "MaskedCodes",
    "MaskedNumbers",
    "MultiLabel",
    "PartSegmentation",
    "Predictions",
    "Regression",
    "Segmentation",
    "TargetSummary",
    "Task",
    "count_known",
    "infer_task",
    "is_known",
    "task_from_json",
    "task_to_json",
]
