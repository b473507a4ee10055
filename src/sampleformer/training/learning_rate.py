"""The learning rate as a function of the step: schedules by name."""

import math
from collections.abc import Callable

from sampleformer.registry import Registry
from sampleformer.training.settings import TrainingSettings


class RateSchedule:
    """The learning rate after the warm-up, as a share of its highest value.

    A schedule of one's own derives from this; recipes name it by its import path, with its arguments.
    """

    def share(self, progress: float) -> float:
        """The share at a point between the end of the warm-up, 0, and the end of the training, 1."""
        raise NotImplementedError


class Falling(RateSchedule):
    """A schedule that goes down.

    Args:
        last: Share at the end. 0 to 1. Default 0.

    Raises:
        ValueError: if last is out of range.
    """

    def __init__(self, last: float = 0.0) -> None:
        if not 0 <= last <= 1:
            raise ValueError(f"last is {last}, expected 0 to 1")
        self.last = last


class Cosine(Falling):
    """``last + (1 − last) (1 + cos πp) / 2``.

    Source: Loshchilov and Hutter 2017 (arXiv 1608.03983), section 3, without restarts.

    Example:
        >>> [round(Cosine(last=0.5).share(progress), 3) for progress in (0, 0.5, 1)]
        [1.0, 0.75, 0.5]
    """

    def share(self, progress: float) -> float:
        return self.last + (1 - self.last) * (0.5 * (1 + math.cos(math.pi * progress)))


class Linear(Falling):
    """``last + (1 − last) (1 − p)``.

    Example:
        >>> [Linear().share(progress) for progress in (0, 0.25, 1)]
        [1.0, 0.75, 0.0]
    """

    def share(self, progress: float) -> float:
        return self.last + (1 - self.last) * (1 - progress)


class Constant(RateSchedule):
    """The highest value at every step."""

    def share(self, progress: float) -> float:
        return 1.0


SCHEDULES: Registry[RateSchedule] = Registry(RateSchedule, {"cosine": Cosine, "linear": Linear, "constant": Constant})


def rate_factor(settings: TrainingSettings, total_steps: int) -> Callable[[int], float]:
    """The learning rate as a share of its highest value, as a function of the step, counted from 0.

    Raises:
        InputError: if the schedule is unknown, or an argument is wrong.

    Example:
        >>> settings = TrainingSettings.model_validate({"steps": 10, "warmup_steps": 2, "schedule": "linear"})
        >>> [rate_factor(settings, 10)(step) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    schedule: RateSchedule = settings.schedule.build(SCHEDULES, "training.schedule")
    warmup = min(settings.warmup_steps, total_steps // 5)  # a small table's training would end in its warm-up
    falling = max(1, total_steps - warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return schedule.share(min(1.0, (step - warmup) / falling))

    return factor
