"""A number that changes from step to step of a training."""

import math
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sampleformer.settings import Settings


class Schedule(Settings):
    """A number that goes from one value at the first step to another, and stays there; a function of the step alone.

    With p the share of the way that is done, from 0 to 1, and values a and b: ``linear`` is ``a + p (b - a)``,
    ``cosine`` is ``b + (a - b) (1 + cos πp) / 2``, ``exponential`` is ``a (b / a)^p``.

    Args:
        from_: at the first step; ``from`` in YAML.
        to: at the last of the share of steps, and at all later ones.
        until: this share of all steps, more than 0 and at most 1.
        shape: ``linear``, ``cosine`` or ``exponential``.

    Example:
        >>> schedule = Schedule(from_=1, to=0, until=0.5)
        >>> [schedule.value(step, steps=10) for step in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Any = Field(alias="from")
    to: float = Field(ge=0, allow_inf_nan=False)
    until: float = Field(default=1.0, gt=0, le=1)
    shape: Literal["linear", "cosine", "exponential"] = "linear"

    def value(self, step: int, steps: int) -> float:
        """The number at a step.

        Args:
            step: counted from 0.
            steps: of the whole training.
        """
        return self.between(float(self.from_), step, steps)

    def between(self, first: float, step: int, steps: int) -> float:
        """The number at a step of a schedule that begins with another one than ``from_``."""
        last = max(1, round(self.until * steps)) - 1
        if step >= last:
            return self.to
        done = step / last
        if self.shape == "exponential":
            return first * (self.to / first) ** done
        return self.to + (first - self.to) * (
            1 - done if self.shape == "linear" else (1 + math.cos(math.pi * done)) / 2
        )

    @model_validator(mode="after")
    def _reachable(self) -> "Schedule":
        if self.shape == "exponential" and 0 in (self.from_, self.to):
            raise ValueError("shape is exponential, which neither starts from 0 nor gets there; expected another shape")
        return self

    @model_serializer(mode="wrap")
    def _as_in_yaml(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"from" if name == "from_" else name: value for name, value in dump(self).items()}
