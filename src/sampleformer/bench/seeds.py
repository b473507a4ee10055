"""Means over seeds, and when one is more than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mean:
    """A mean and its standard error.

    Example:
        >>> str(Mean.of([0.5, 0.7, 0.9]))
        '0.700 ± 0.115'
    """

    mean: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """The mean over seeds; of one value the standard error is not known."""
        mean = math.fsum(values) / len(values)
        if len(values) < 2:
            return cls(mean, math.nan)
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        return cls(mean, math.sqrt(variance / len(values)))

    def beyond(self, other: Mean) -> float:
        """By how many standard errors of the difference this is more than another: ``(a − b) / √(e_a² + e_b²)``.

        Infinite where neither has an error and they differ.

        Example:
            >>> Mean(0.9, 0.03).beyond(Mean(0.8, 0.04))
            2.0
        """
        difference = round(self.mean - other.mean, 12)
        error = math.hypot(self.error, other.error)
        if error == 0:
            return 0.0 if difference == 0 else math.copysign(math.inf, difference)
        return round(difference / error, 12)

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.error:.3f}"
