"""The contract of what a model learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sampleformer.errors import InputError
from sampleformer.sample import LEVELS, Sample
from sampleformer.tables.report import RowReport
from sampleformer.tasks.predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

    from sampleformer.tables.table import Table
    from sampleformer.tasks.masked import Contents


@dataclass(frozen=True)
class TargetSummary:
    """Targets of one part of the data.

    Args:
        counts: Number of targets of each class, or with each label; empty for numbers.
        means: Mean of each target in its unit; empty for classes and labels.
    """

    counts: dict[str, int] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)


class Task(ABC):
    """What a model learns: targets from columns, a loss, metrics, and columns from outputs.

    A new task is a class that derives from this one or from one of the others, and an entry in `TASKS`; or no entry,
    and users name it by its import path. No other module asks which task it is.

    Args:
        columns: Names of the target columns.
        level: What a target is for. One of the class's `levels`.

    Raises:
        ValueError: if the level is none of `levels`.

    Attributes:
        name: Name in recipes, the import path of a class that is not registered.
        levels: Levels that the task is defined for; the first is the default.
        losses: Names of the losses in `LOSSES` that fit; the first is the default.
        output_noun: Word for one output.
        target_kinds: Kinds of numpy's dtypes that encoded targets may have: "i" for classes, "f" for numbers.
        from_inputs: Whether `draw` makes the targets from what a sample holds. False: they are read from columns.
    """

    name: ClassVar[str]
    levels: ClassVar[tuple[str, ...]] = ("sample", "token")
    losses: ClassVar[tuple[str, ...]]
    output_noun: ClassVar[str] = "label"
    target_kinds: ClassVar[str] = "if"
    from_inputs: ClassVar[bool] = False

    def __init__(self, columns: Sequence[str], level: str | None = None) -> None:
        self.columns = list(columns)
        self.level = self.levels[0] if level is None else level
        if self.level not in self.levels:
            raise ValueError(f"level is {self.level!r}, expected one of {self.levels} for the task {self.name!r}")

    @property
    def of_tokens(self) -> bool:
        """Whether targets are for tokens, or pairs of them, of a sample."""
        return self.level != LEVELS[0]

    @property
    def of_pairs(self) -> bool:
        """Whether targets are for pairs of tokens."""
        return self.level == LEVELS[2]

    # Reading

    @classmethod
    @abstractmethod
    def parse_columns(cls, table: Table, columns: list[str], report: RowReport, *, gaps: bool = False) -> np.ndarray:
        """Values of the target columns, one entry or row for each row of the table.

        Args:
            table: Table with the columns.
            columns: Names of the columns.
            report: Report of wrong rows.
            gaps: Whether an empty field is an unknown target in place of a wrong row, where the task can tell.

        Raises:
            InputError: if the task does not fit the number of columns.
        """

    @classmethod  # noqa: B027
    def check_values(cls, values: np.ndarray, columns: list[str], report: RowReport) -> None:
        """Reports rows of the training data that no model could learn from."""

    @classmethod
    def unsplittable(cls, values: np.ndarray, columns: list[str]) -> dict[int, str]:
        """Rows that cannot be shared out among training, validation and test, each with the reason."""
        return {}

    @classmethod
    @abstractmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str, level: str | None = None) -> Self:
        """The task with what the training part teaches: class names, mean and deviation and the like.

        Args:
            columns: Names of the target columns.
            values: Values of the training part, as `parse_columns` gives them.
            path: Path of the file, for messages.
            level: What a target is for.

        Raises:
            InputError: if nothing can be learnt from the values.
        """

    @classmethod
    def of_inputs(cls, contents: Contents | None, kind: str) -> Task:
        """The task of a class with `from_inputs`, once the inputs are known.

        Args:
            contents: What the tokens carry; None: nothing that could be asked for.
            kind: Word for the inputs, for messages.

        Raises:
            InputError: if it cannot make targets from such inputs.
        """
        raise NotImplementedError(f"{cls.name} has targets in columns")

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        """Values of the task's columns in a new table; wrong rows are reported."""
        return self.parse_columns(table, self.columns, report)

    @abstractmethod
    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        """Parsed values as numbers for the loss.

        Returns:
            ``(rows,)`` int64, −1 where unknown; or ``(rows, outputs)`` float32, NaN where unknown.
        """

    def check_targets(self, targets: np.ndarray) -> None:
        """Refuses targets from a file that `encode` cannot have given.

        Raises:
            ValueError: if they are of another type or shape, or hold what no target can be.
        """
        kind, shape = targets.dtype.kind, targets.shape
        rows = (shape[0] if shape else 0,)
        expected = rows if kind == "i" else (*rows, self.outputs)
        if kind not in self.target_kinds or shape != expected:
            words = " or ".join({"i": "integers", "f": "floats"}[each] for each in self.target_kinds)
            raise ValueError(f"found {targets.dtype} of shape {shape}, expected {words} for {self.outputs} outputs")
        if kind == "i":
            wrong, words = (targets < -1) | (targets >= self.outputs), f"0 to {self.outputs - 1}, or −1 where unknown"
        else:
            wrong, words = np.isinf(targets), "a finite number, or NaN where unknown"
        if wrong.any():
            raise ValueError(f"found {targets[wrong][0]}, expected {words}")

    def draw(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """The sample with targets made from what it holds; here unchanged, since they come from columns."""
        return sample

    # Outputs

    def condense(self, outputs: Tensor) -> Tensor:
        """What is kept of raw outputs ``(rows, outputs)`` in evaluation, for metrics and predictions; here all."""
        return outputs

    @property
    @abstractmethod
    def labels(self) -> list[str]:
        """Name of each output: a class, or a target column."""

    @property
    def outputs(self) -> int:
        """Number of outputs that the model needs."""
        return len(self.labels)

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        """Raw outputs ``(rows, outputs)`` as the columns of a predictions file."""

    @abstractmethod
    def decode_targets(self, targets: np.ndarray) -> dict[str, list[Any]]:
        """Encoded targets as columns ``target`` or ``target_<label>``, empty where unknown."""

    def activation(self, outputs: np.ndarray) -> np.ndarray:
        """Raw outputs as what may be averaged over several predictions: probabilities, or the numbers themselves."""
        return outputs

    def inverse_activation(self, values: np.ndarray) -> np.ndarray:
        """Raw outputs whose `activation` the values are."""
        return values

    def restrict(self, predictions: Predictions) -> Predictions:
        """Predictions without the outputs that cannot apply to their sample; here all can."""
        return predictions

    # Judging

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics; unless another is asked for, the first chooses the weights that are kept."""

    @abstractmethod
    def score(self, predictions: Predictions) -> dict[str, float]:
        """Every metric of predictions with targets; unknown targets count for nothing."""

    def majority_share(self, targets: np.ndarray) -> float | None:
        """Accuracy of always naming the most frequent class; None for a task without classes."""
        return None

    @abstractmethod
    def summarize(self, targets: np.ndarray) -> TargetSummary:
        """Encoded targets in a few numbers."""

    # Saving

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Arguments of the constructor as plain values, beside ``level``."""


def check_level(task: type[Task], level: str) -> None:
    """Refuses a task whose targets cannot be for a level.

    Raises:
        InputError: if the task is not defined for it.
    """
    if level not in task.levels and not task.from_inputs:
        raise InputError(
            f"task: {task.name!r} is for each {' or '.join(task.levels)}, but the labels are for each {level}"
        )
