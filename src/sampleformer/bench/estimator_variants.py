"""What the study of estimators compares: an estimator, and perhaps a schedule of its choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.errors import InputError, nearest

FULL = "full"
YARDSTICK = "hard"
SCHEDULES = {
    "annealed": "noise falls along a line to zero over the first three quarters of the steps",
    "off": "no noise from the start",
    "widened": "k falls from as much as 16 times itself over the first half of the steps",
}
"""What can follow an estimator's name after a plus, and what it means."""
ANNEALED_UNTIL = 0.75
WIDENED_UNTIL = 0.5
WIDEST = 16


@dataclass(frozen=True)
class Variant:
    """One thing to train.

    Args:
        name: as it is given and shown, such as ``hard+annealed``.
        choice: the estimator; None: full attention, the ceiling.
        schedule: of `SCHEDULES`; None: noise and k as published.
    """

    name: str
    choice: str | None
    schedule: str | None = None

    @classmethod
    def read(cls, name: str) -> Variant:
        """The variant of a name.

        Raises:
            InputError: if there is no such estimator or schedule.

        Example:
            >>> Variant.read("hard+annealed")
            Variant(name='hard+annealed', choice='hard', schedule='annealed')
        """
        if name == FULL:
            return cls(name, None)
        choice, plus, schedule = name.partition("+")
        if choice not in ESTIMATORS:
            raise InputError(f"--estimators: {choice!r} is unknown; {nearest(choice, [*ESTIMATORS, FULL])}")
        if plus and schedule not in SCHEDULES:
            raise InputError(f"--estimators: {name!r}: {schedule!r} is unknown; {nearest(schedule, SCHEDULES)}")
        return cls(name, choice, schedule or None)

    @property
    def repeats(self) -> bool:
        """Whether each sample needs several choices in a training step."""
        return self.choice is not None and ESTIMATORS[self.choice].repeats

    def noise_scale(self, step: int, steps: int) -> float:
        """What the noise is multiplied by at a step, counted from 0.

        Example:
            >>> [Variant.read("hard+annealed").noise_scale(step, 8) for step in (0, 3, 6, 7)]
            [1.0, 0.5, 0.0, 0.0]
        """
        if self.schedule == "off":
            return 0.0
        return max(0.0, 1 - step / (ANNEALED_UNTIL * steps)) if self.schedule == "annealed" else 1.0

    def sampled(self, step: int, steps: int, k: int, n: int) -> int:
        """How many tokens training chooses at a step, counted from 0.

        Example:
            >>> [Variant.read("hard+widened").sampled(step, 8, 16, 128) for step in range(5)]
            [128, 64, 32, 16, 16]
        """
        if self.schedule != "widened":
            return k
        halvings = (WIDEST // 2).bit_length() * step / (WIDENED_UNTIL * steps)
        return max(k, min(n, WIDEST * k) >> int(halvings))

    def recipe_changes(self) -> list[str]:
        """What makes a recipe that names SAMSA train this variant, ``name=value`` each."""
        if self.choice is None:
            return ["model.attention.name=full"]
        changes = [f"model.attention.choice={self.choice}"]
        if self.schedule == "annealed":
            changes.append(f"training.schedules.noise={{from: 1, to: 0, until: {ANNEALED_UNTIL}}}")
        if self.schedule == "off":
            changes.append("training.schedules.noise={from: 0, to: 0}")
        if self.schedule == "widened":
            changes.append(f"training.schedules.sampled={{from: all, to: 1, until: {WIDENED_UNTIL}}}")
        return changes


def default_variants() -> tuple[Variant, ...]:
    """Every registered estimator, the published one with each schedule, and full attention."""
    names = [*ESTIMATORS, *(f"{YARDSTICK}+{schedule}" for schedule in SCHEDULES), FULL]
    return tuple(Variant.read(name) for name in names)


def read_variants(text: str | None) -> tuple[Variant, ...]:
    """The variants between commas, each once; None: `default_variants`.

    Raises:
        InputError: if one is unknown.
    """
    if text is None:
        return default_variants()
    names = dict.fromkeys(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise InputError("--estimators: nothing given, expected one or more, separated by commas")
    return tuple(Variant.read(name) for name in names)


def estimators_of(variants: Sequence[Variant]) -> list[str]:
    """The estimators among them, each once, without their schedules."""
    return list(dict.fromkeys(variant.choice for variant in variants if variant.choice is not None))
