"""The number of steps that fits into the time that a training has."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from sampleformer.data.progress import rough_time
from sampleformer.training.settings import TrainingSettings

FEWEST_STEPS = 3
"""Steps of a training whose time is too short for any."""
CHECKS_SHARE = 0.2
"""Largest share of the time that goes to checks where their distance is not given."""
_RESERVE = 0.03
"""Share of the time that is not planned, for steps that take longer than the timed ones and for writing files."""


@dataclass(frozen=True)
class Costs:
    """Seconds that the pieces of a training take.

    Args:
        step: Of one optimiser step, its batch and all around it.
        check: Of one check on the validation part.
        scoring: Of scoring the test part, with the best and the last weights.
        start: Of what comes once, before the first step: compilation, starting processes.
    """

    step: float
    check: float
    scoring: float
    start: float = 0.0


class TimeLimit:
    """The time of a training, which runs since this was made.

    Args:
        minutes: Length of the time.
        clock: Seconds that go by, counted from anywhere.

    ``check`` is the time of a check in seconds, as far as it is known.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 60 * minutes
        self.check = 0.0
        self._clock = clock
        self._started = clock()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started


def fit_to_time(
    settings: TrainingSettings, costs: Costs, seconds: float, batches_per_pass: int
) -> tuple[TrainingSettings, str]:
    """Settings whose steps, checks and test fit into the time that is left.

    Args:
        settings: Settings with ``minutes``; ``steps`` is replaced, ``min_steps`` lowered where there is no time for so
            many, and ``check_every`` given where it is None and checks would take more than `CHECKS_SHARE` of the time.
        costs: Measured on the machine that trains.
        seconds: Seconds that are left.
        batches_per_pass: Batches of one pass over the training part.

    Returns:
        The settings, and a sentence on what was decided.

    Example:
        >>> settings = TrainingSettings(minutes=1, epochs=100)
        >>> fitted, words = fit_to_time(settings, Costs(step=0.1, check=1.0, scoring=2.0), 58.0, batches_per_pass=150)
        >>> fitted.steps, words
        (502, '1 minute: 502 steps of 0.10 s, 3.3 passes')
    """
    usable = (1 - _RESERVE) * seconds - costs.scoring - costs.start
    steps = max(FEWEST_STEPS, math.floor((usable - costs.check) / costs.step))
    fitted = _with_steps(settings, steps, usable, costs, batches_per_pass)
    steps = fitted.total_steps(batches_per_pass)
    while (over := _seconds(fitted, costs, batches_per_pass) - usable) > 0 and steps > FEWEST_STEPS:
        each = (usable + over) / steps  # with its share of the checks
        steps = max(FEWEST_STEPS, min(steps - 1, steps - math.floor(over / each)))
        fitted = _with_steps(settings, steps, usable, costs, batches_per_pass)
    needed = _seconds(fitted, costs, batches_per_pass) + costs.scoring + costs.start
    most = math.inf if settings.epochs is None else max(settings.epochs * batches_per_pass, settings.min_steps)
    return fitted, _words(fitted, costs, batches_per_pass, needed, enough=over <= 0, most=most)


def _with_steps(
    settings: TrainingSettings, steps: int, usable: float, costs: Costs, batches_per_pass: int
) -> TrainingSettings:
    fitted = settings.model_copy(update={"steps": steps, "min_steps": min(settings.min_steps, steps)})
    total = fitted.total_steps(batches_per_pass)
    fitted = fitted.model_copy(update={"steps": total})
    most = max(1, math.floor(CHECKS_SHARE * usable / costs.check)) if costs.check > 0 else total
    if settings.check_every is None and _checks(fitted, batches_per_pass) > most:
        fitted = fitted.model_copy(update={"check_every": math.ceil(total / most)})
    return fitted


def _checks(settings: TrainingSettings, batches_per_pass: int) -> int:
    return math.ceil(settings.total_steps(batches_per_pass) / settings.steps_between_checks(batches_per_pass))


def _seconds(settings: TrainingSettings, costs: Costs, batches_per_pass: int) -> float:
    """Seconds of all steps and checks."""
    return settings.total_steps(batches_per_pass) * costs.step + _checks(settings, batches_per_pass) * costs.check


def _words(
    settings: TrainingSettings, costs: Costs, batches_per_pass: int, needed: float, *, enough: bool, most: float
) -> str:
    steps = settings.total_steps(batches_per_pass)
    passes = steps / batches_per_pass
    of_time = f"{settings.minutes:g} minute{'' if settings.minutes == 1 else 's'}"
    step = f"{costs.step:.2f} s" if costs.step >= 0.095 else f"{1000 * costs.step:.3g} ms"
    line = f"{of_time}: {steps:,} steps of {step}, {passes:.0f} passes" if passes >= 10 else ""
    line = line or f"{of_time}: {steps:,} steps of {step}, {passes:.1f} passes"
    if not enough:
        return f"{line}, the fewest; they, their check and the test need some {rough_time(needed)} more"
    if steps == most:
        name = (
            "epochs allows" if settings.epochs and steps == settings.epochs * batches_per_pass else "min_steps asks for"
        )
        return f"{line}, as many as training.{name}: some {rough_time(needed)}"
    return line
