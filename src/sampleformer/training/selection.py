"""The metric that chooses the weights of a training."""

from sampleformer.errors import InputError, nearest
from sampleformer.tasks import Task


def selecting_metric(task: Task, asked: str | None = None) -> str:
    """The metric on the validation part that decides which weights are kept.

    Args:
        task: Task of the training.
        asked: Metric that the user asks for; "loss" is one too. None: the task's first.

    Raises:
        InputError: if the task has no such metric.

    Example:
        >>> from sampleformer.tasks import Classification
        >>> selecting_metric(Classification("y", ["a", "b", "c"]))
        'accuracy'
    """
    allowed = [*task.metrics, "loss"]
    if asked is not None and asked not in allowed:
        classes = f" of {task.outputs} {task.output_noun}{'es' if task.output_noun.endswith('s') else 's'}"
        raise InputError(
            f"training.selected_by: found {asked!r} for the task {task.name!r}{classes}; {nearest(asked, allowed)}"
        )
    return asked or allowed[0]
