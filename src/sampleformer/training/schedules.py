"""Schedules of what is random in training: noise, temperature and how many tokens are chosen."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from sampleformer.settings import Settings
from sampleformer.training.schedule import Schedule

ALL = "all"


class NoiseSchedule(Schedule):
    """What the noise of the choice is multiplied by: 1 is as published; 0: training takes the k best, as evaluation."""

    from_: float = Field(default=1.0, alias="from", ge=0, allow_inf_nan=False)
    to: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class TemperatureSchedule(Schedule):
    """What the temperature of the choice is multiplied by.

    Args:
        floor: the temperature itself does not go below this; what the model has below is left to it.
    """

    from_: float = Field(default=1.0, alias="from", gt=0, allow_inf_nan=False)
    to: float = Field(gt=0, allow_inf_nan=False)
    shape: Literal["linear", "cosine", "exponential"] = "exponential"
    floor: float = Field(default=0.0, ge=0, allow_inf_nan=False)


def _number_or_all(value: Any) -> float | str:
    if value == ALL:
        return ALL
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"expected a number above 0, or {ALL}")
    return float(value)


class SampledSchedule(Schedule):
    """How many tokens are chosen in training, as a factor of the model's k.

    The number changes in steps, each half of the one before (or twice as many, where it grows): a compiled program is
    compiled anew for each.

    Args:
        from_: a factor, or ``all``: as many as the longest sample of the training part has.

    Example:
        >>> schedule = SampledSchedule(to=1)
        >>> [schedule.count(step, steps=6, sampled=32, longest=200) for step in range(6)]
        [200, 200, 128, 128, 64, 32]
    """

    from_: Annotated[float | str, PlainValidator(_number_or_all)] = Field(default=ALL, alias="from")
    to: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    shape: Literal["linear", "cosine", "exponential"] = "exponential"

    def count(self, step: int, steps: int, *, sampled: int, longest: int) -> int:
        """k at a step.

        Args:
            step: counted from 0.
            steps: of the whole training.
            sampled: k of the model.
            longest: tokens of the longest sample.
        """
        first = max(self.to, longest / sampled) if self.from_ == ALL else float(self.from_)
        doublings = math.log2(self.between(first, step, steps) / self.to)
        # The number lags behind, so that it is the first one at the beginning, and the last one at the end alone.
        if first >= self.to:
            factor = min(first, self.to * 2 ** math.ceil(doublings - _ROUNDING))
        else:
            factor = max(first, self.to * 2 ** math.floor(doublings + _ROUNDING))
        return max(1, round(sampled * factor))


_ROUNDING = 1e-9


class Schedules(Settings):
    """What changes from step to step beside the learning rate; evaluation knows nothing of it.

    Args:
        noise: of the choice of tokens.
        temperature: of the choice of tokens.
        sampled: how many tokens are chosen.
    """

    noise: NoiseSchedule | None = None
    temperature: TemperatureSchedule | None = None
    sampled: SampledSchedule | None = None
