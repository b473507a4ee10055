"""The contract of a model that a comparison trains."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sampleformer.compare.features.described import with_own_numbers
from sampleformer.compare.features.parts import Parts
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.sample import LEVELS
from sampleformer.tasks import Predictions
from sampleformer.training.recipe import Recipe


class OutOfTime(InputError):
    """Raised by a model whose time is used up before there is anything to predict with."""


class Stopwatch:
    """The time that one training takes, wall and processor.

    Args:
        minutes: Time that it may take. None: any.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._minutes = minutes
        self._begin = time.perf_counter(), time.process_time()
        self._added = (0.0, 0.0)

    def add(self, seconds: tuple[float, float]) -> None:
        """Counts time that was spent before, by another one that needed the same."""
        self._added = self._added[0] + seconds[0], self._added[1] + seconds[1]

    @property
    def seconds(self) -> tuple[float, float]:
        """Wall and processor time so far."""
        return (
            time.perf_counter() - self._begin[0] + self._added[0],
            time.process_time() - self._begin[1] + self._added[1],
        )

    @property
    def used_up(self) -> bool:
        """Whether there is no time left."""
        return self._minutes is not None and self.seconds[0] > 60 * self._minutes

    def check(self) -> None:
        """Raises OutOfTime if there is no time left."""
        if self.used_up:
            raise OutOfTime(f"its {self._minutes:.3g} min were used up before it had learnt anything")


@dataclass
class Conditions:
    """What all models of a comparison share.

    Args:
        splits: The data.
        recipe: Of our model.
        metric: Name of the metric that chooses on the validation part.
        folder: Where trainings put their run folders.
        minutes: Time of a model that is fitted, such as that which our model took. None: any.
        device: Of networks.
        quiet: Without a word on how far a training has come.
        command: The program and its arguments, for run folders.
        made: Numbers of the parts that a model has made, with the time they took, for others that need the same.
    """

    splits: Splits
    recipe: Recipe
    metric: str
    folder: Path
    minutes: float | None = None
    device: str = "cpu"
    quiet: bool = False
    command: list[str] | None = None
    made: dict[Callable[[Splits], Parts], tuple[Parts, tuple[float, float]]] = field(default_factory=dict)

    def parts(self, numbers: Callable[[Splits], Parts], watch: Stopwatch) -> Parts:
        """Numbers of the parts, the user's own among them, made once; their time counts for each model."""
        if numbers in self.made:
            parts, seconds = self.made[numbers]
            watch.add(seconds)
            return parts
        own = Stopwatch()
        parts = with_own_numbers(numbers(self.splits), self.splits)
        self.made[numbers] = parts, own.seconds
        return parts


@dataclass(frozen=True)
class Trial:
    """One training of a model with one seed.

    Args:
        predictions: For the test part, of what was best on the validation part.
        test, valid: Metrics on the test and the validation part.
        seconds, cpu_seconds: Wall and processor time of everything from the samples to the predictions.
        size: Number of what was learnt. None: that has no meaning.
        chosen: What the validation part chose, for people.
        run: Run folder, of networks.
    """

    predictions: Predictions
    test: Mapping[str, float]
    valid: Mapping[str, float]
    seconds: float
    cpu_seconds: float
    size: int | None = None
    chosen: str = ""
    run: Path | None = None


class SimpleModel(ABC):
    """A known model to compare ours with.

    One of your own is a class that derives from this one; it is named by its import path.

    Attributes:
        name: Name in `SIMPLE_MODELS`.
        title: Name in sentences, with its article.
        sees: What it is given of a sample, in words.
        kinds: Kinds of data that it suits, of `KINDS`.
        levels: What targets may be for.
        default: Whether it is trained without being named.
        seeded: Whether another seed gives another result.
        counts: What `Trial.size` is a number of, as a noun.
        needs: Packages that must be installed.
    """

    name: ClassVar[str]
    title: str
    sees: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    levels: ClassVar[tuple[str, ...]] = LEVELS[:1]
    default: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    counts: ClassVar[str] = "parameter"
    needs: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def misfit(cls, kind: str, splits: Splits) -> str:
        """Why it does not suit some data, in words; empty if it does.

        Args:
            kind: Kind of the data.
            splits: The data.
        """
        level = splits.encoding.task.level
        if kind not in cls.kinds:
            return f"it is for {' and '.join(cls.kinds)}, and the data are {kind}"
        if level not in cls.levels:
            return f"it answers for each {' or '.join(cls.levels)}, and the labels are for each {level}"
        return ""

    @abstractmethod
    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Learns from the training part, lets the validation part choose, and predicts the test part once.

        Args:
            conditions: What all models share.
            seed: Of all that is random.

        Raises:
            InputError: if the data do not let it learn; the message says why.
        """
