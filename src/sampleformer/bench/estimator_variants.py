"""What the study of estimators compares: an estimator, and perhaps a schedule of its choice or a term of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.errors import InputError, nearest

FULL = "full"
YARDSTICK = "hard"
ADDITIONS = {
    "annealed": "noise falls along a line to zero over the first three quarters of the steps",
    "off": "no noise from the start",
    "widened": "k falls from as much as 16 times itself over the first half of the steps",
    "cooled": "the temperature falls to a tenth over all steps",
    "entropy": "scores are rewarded for being even",
    "load": "heads are charged for scoring the same tokens high",
    "mass": "scores are taught how much attention each token would get",
}
"""What can follow an estimator's name after a plus, and what it means."""
ANNEALED_UNTIL = 0.75
WIDENED_UNTIL = 0.5
WIDEST = 16
COOLEST = 0.1
WEIGHTS = {"entropy": 0.1, "load": 0.01, "mass": 1.0}
"""Of the terms of the loss: of the size that the loss itself changes by; the last reaches nothing but the scorer."""


@dataclass(frozen=True)
class Variant:
    """One thing to train.

    Args:
        name: as it is given and shown, such as ``hard+annealed``.
        choice: the estimator; None: full attention, the ceiling.
        addition: of `ADDITIONS`; None: all as published.
    """

    name: str
    choice: str | None
    addition: str | None = None

    @classmethod
    def read(cls, name: str) -> Variant:
        """The variant of a name.

        Raises:
            InputError: if there is no such estimator or addition.

        Example:
            >>> Variant.read("hard+annealed")
            Variant(name='hard+annealed', choice='hard', addition='annealed')
        """
        if name == FULL:
            return cls(name, None)
        choice, plus, addition = name.partition("+")
        if choice not in ESTIMATORS:
            raise InputError(f"--estimators: {choice!r} is unknown; {nearest(choice, [*ESTIMATORS, FULL])}")
        if plus and addition not in ADDITIONS:
            raise InputError(f"--estimators: {name!r}: {addition!r} is unknown; {nearest(addition, ADDITIONS)}")
        return cls(name, choice, addition or None)

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
        if self.addition == "off":
            return 0.0
        return max(0.0, 1 - step / (ANNEALED_UNTIL * steps)) if self.addition == "annealed" else 1.0

    def temperature_scale(self, step: int, steps: int) -> float:
        """What the temperature is multiplied by at a step, counted from 0."""
        return COOLEST ** (step / max(1, steps - 1)) if self.addition == "cooled" else 1.0

    def sampled(self, step: int, steps: int, k: int, n: int) -> int:
        """How many tokens training chooses at a step, counted from 0.

        Example:
            >>> [Variant.read("hard+widened").sampled(step, 8, 16, 128) for step in range(5)]
            [128, 64, 32, 16, 16]
        """
        if self.addition != "widened":
            return k
        halvings = (WIDEST // 2).bit_length() * step / (WIDENED_UNTIL * steps)
        return max(k, min(n, WIDEST * k) >> int(halvings))

    def recipe_changes(self) -> list[str]:
        """What makes a recipe that names SAMSA train this variant, ``name=value`` each."""
        if self.choice is None:
            return ["model.attention.name=full"]
        changes = [f"model.attention.choice={self.choice}", "model.attention.noise=1"]
        if self.addition == "annealed":
            changes.append(f"training.schedules.noise={{from: 1, to: 0, until: {ANNEALED_UNTIL}}}")
        if self.addition == "off":
            changes.append("training.schedules.noise={from: 0, to: 0}")
        if self.addition == "widened":
            changes.append(f"training.schedules.sampled={{from: all, to: 1, until: {WIDENED_UNTIL}}}")
        if self.addition == "cooled":
            changes.append(f"training.schedules.temperature={{from: 1, to: {COOLEST}}}")
        if self.addition in WEIGHTS:
            changes.append(f"training.score_{self.addition}={WEIGHTS[self.addition]}")
        return changes


def default_variants() -> tuple[Variant, ...]:
    """Every registered estimator, the published one with each addition, and full attention.

    One from which the scores learn nothing is taught by the attention mass.
    """
    names = [name if each.learns else f"{name}+mass" for name, each in ESTIMATORS.items()]
    names += [*(f"{YARDSTICK}+{addition}" for addition in ADDITIONS), FULL]
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
    """The estimators among them from which scores learn, each once, without their additions."""
    names = dict.fromkeys(variant.choice for variant in variants if variant.choice is not None)
    return [name for name in names if ESTIMATORS[name].learns]
