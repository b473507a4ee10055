"""Classes of samples or tokens, links between tokens and parts of shapes among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sampleformer.errors import InputError, listed, shown
from sampleformer.tables.report import RowReport
from sampleformer.tables.values import as_float, parse_labels
from sampleformer.tasks.metrics import class_metrics, mean_iou, overlaps
from sampleformer.tasks.predictions import Predictions
from sampleformer.tasks.task import TargetSummary, Task
from sampleformer.wording import count

if TYPE_CHECKING:
    from typing_extensions import Self

    from sampleformer.tables.table import Table

_NEVER = -1e30
_LEAST = 1e-30


class Classification(Task):
    """One class out of several.

    Args:
        column: Name of the target column.
        labels: Name of each class, in the order of the outputs.
        level: What a target is for: "sample" or "token".

    Example:
        >>> task = Classification("answer", ["no", "yes"])
        >>> task.decode(np.array([[0.0, 0.0]]))
        {'prediction': ['no'], 'probability_no': [0.5], 'probability_yes': [0.5]}
    """

    name = "classification"
    losses = ("cross_entropy",)
    target_kinds = "i"
    output_noun = "class"

    def __init__(self, column: str, labels: list[str], level: str | None = None) -> None:
        super().__init__([column], level)
        self._labels = labels
        self._numbers = {label: number for number, label in enumerate(labels)}

    @classmethod
    def parse_columns(cls, table: Table, columns: list[str], report: RowReport, *, gaps: bool = False) -> np.ndarray:
        if len(columns) > 1:
            raise InputError(f"label: found {count(len(columns), 'column')}, expected one for the task {cls.name!r}")
        return parse_labels(table, columns[0], report)

    @classmethod
    def unsplittable(cls, values: np.ndarray, columns: list[str]) -> dict[int, str]:
        labels, first, count = np.unique(values.astype(str), return_index=True, return_counts=True)
        return {
            int(row): f"column {columns[0]!r}: label {shown(str(label))} occurs once, expected at least 2 rows of each "
            "class to split off a tenth (or give valid and test as files or columns)"
            for label, row in zip(labels[count == 1], first[count == 1], strict=True)
        }

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str, level: str | None = None) -> Self:
        labels = sort_labels(set(values))
        if len(labels) < 2:
            raise InputError(
                f"{path}: column {columns[0]!r}: found only the class {', '.join(map(shown, labels))} in the training "
                "part, expected at least two"
            )
        return cls(columns[0], labels, level)

    @property
    def labels(self) -> list[str]:
        return self._labels

    def encode(self, values: np.ndarray, report: RowReport) -> np.ndarray:
        numbers = np.array([self._numbers.get(value, -1) for value in values], dtype=np.int64)
        for row in np.flatnonzero(numbers < 0):
            report.add(
                int(row),
                f"column {self.columns[0]!r}: label {shown(values[row])} does not occur in the training part; "
                f"expected one of: {listed(self._labels)}",
            )
        return numbers

    def decode(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        probabilities = self.activation(outputs)
        columns: dict[str, list[Any]] = {"prediction": [self._labels[place] for place in outputs.argmax(axis=1)]}
        for number, label in enumerate(self._labels):
            columns[f"probability_{label}"] = probabilities[:, number].tolist()
        return columns

    def decode_targets(self, targets: np.ndarray) -> dict[str, list[Any]]:
        return {"target": [self._labels[number] if number >= 0 else "" for number in targets.tolist()]}

    def activation(self, outputs: np.ndarray) -> np.ndarray:
        shifted = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def inverse_activation(self, values: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(values, _LEAST))

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("accuracy", "balanced_accuracy", "f1") + (("auroc",) if self.outputs == 2 else ())

    def score(self, predictions: Predictions) -> dict[str, float]:
        predictions = self.restrict(predictions.with_targets())
        assert predictions.targets is not None
        return class_metrics(predictions.outputs, predictions.targets)

    def majority_share(self, targets: np.ndarray) -> float | None:
        known = targets[targets >= 0].astype(np.int64)
        return float(np.bincount(known).max() / len(known))

    def summarize(self, targets: np.ndarray) -> TargetSummary:
        counts = np.bincount(targets[targets >= 0], minlength=self.outputs).tolist()
        return TargetSummary(counts=dict(zip(self._labels, counts, strict=True)))

    def to_json(self) -> dict[str, Any]:
        return {"column": self.columns[0], "labels": self._labels}


class Segmentation(Classification):
    """Class of each point of a scene or shape, judged by the mean IoU of the classes.

    Args:
        column: Name of the labels.
        labels: Name of each class, in the order of the outputs.
        level: "token".
    """

    name = "segmentation"
    levels = ("token",)

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("miou", "accuracy", "balanced_accuracy", "f1")

    def score(self, predictions: Predictions) -> dict[str, float]:
        known = predictions.with_targets()
        assert known.targets is not None
        miou = mean_iou(known.outputs.argmax(axis=1), known.targets, self.outputs)
        return {"miou": miou} | super().score(known)


class PartSegmentation(Segmentation):
    """Parts of shapes, where each category of shapes has parts of its own.

    A shape has only parts of its own category, as published: of the category of its true parts where these are known,
    else of the most probable one.

    Args:
        column: Name of the labels.
        labels: Name of each part, in the order of the outputs.
        categories: Names of the parts of each category; each part belongs to one.
        level: "token".

    Source: Yi et al. 2016, "A Scalable Active Framework for Region Annotation in 3D Shape Collections"; Qi et al. 2017,
    PointNet (arXiv 1612.00593), section 5.1.

    Example:
        >>> task = PartSegmentation("labels", ["0", "1", "2"], {"cup": ["0", "1"], "lamp": ["2"]})
        >>> task.category_of_part.tolist()
        [0, 0, 1]
    """

    name = "parts"

    def __init__(
        self, column: str, labels: list[str], categories: Mapping[str, Sequence[str]], level: str | None = None
    ) -> None:
        super().__init__(column, labels, level)
        self.categories = {name: list(parts) for name, parts in categories.items()}
        place = {part: number for number, parts in enumerate(self.categories.values()) for part in parts}
        self.category_of_part = np.array([place.get(label, -1) for label in labels], np.int64)

    def category(self, outputs: np.ndarray, classes: np.ndarray | None) -> int:
        """Category of one shape: that of its parts where they are known, else the one that is most probable.

        Args:
            outputs: Raw outputs for its points, ``(n, parts)``.
            classes: Classes of its points, −1 where unknown; None: not known.
        """
        if classes is not None and (classes >= 0).any():
            return int(self.category_of_part[classes[classes >= 0][0]])
        likely = self.activation(outputs).sum(axis=0)
        return int(np.argmax([likely[self.parts(number)].sum() for number in range(len(self.categories))]))

    def parts(self, category: int) -> np.ndarray:
        """Classes that are parts of a category."""
        return np.flatnonzero(self.category_of_part == category)

    def restrict(self, predictions: Predictions) -> Predictions:
        outputs = predictions.outputs.copy()
        for rows in predictions.rows_by_sample():
            classes = None if predictions.targets is None else predictions.targets[rows]
            parts = self.parts(self.category(outputs[rows], classes))
            kept = outputs[np.ix_(rows, parts)]
            outputs[rows] = _NEVER
            outputs[np.ix_(rows, parts)] = kept
        return replace(predictions, outputs=outputs)

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("instance_miou", "class_miou", "accuracy", "balanced_accuracy", "f1")

    def score(self, predictions: Predictions) -> dict[str, float]:
        """Instance mIoU, class mIoU and the metrics of classes.

        The IoU of a shape is the mean over the parts of its category, where a part that is neither predicted nor true
        counts 1. Instance mIoU is its mean over shapes; class mIoU the mean over categories of the mean over their
        shapes.
        """
        known = self.restrict(predictions.with_targets())
        assert known.targets is not None
        by_category: dict[int, list[float]] = {}
        for rows in known.rows_by_sample():
            category = self.category(known.outputs[rows], known.targets[rows])
            predicted = known.outputs[rows].argmax(axis=1)
            both, union = overlaps(predicted, known.targets[rows], self.outputs)
            ious = np.where(union > 0, both / np.maximum(union, 1), 1.0)[self.parts(category)]
            by_category.setdefault(category, []).append(float(ious.mean()))
        every = [iou for ious in by_category.values() for iou in ious]
        means = [float(np.mean(ious)) for ious in by_category.values()]
        mious = {"instance_miou": float(np.mean(every)), "class_miou": float(np.mean(means))}
        return mious | class_metrics(known.outputs, known.targets)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "categories": self.categories}


def sort_labels(labels: set[str]) -> list[str]:
    """Class names in numeric order if all are numbers, else in alphabetic order."""
    numbers = {label: as_float(label) for label in labels}
    if any(found is None for found in numbers.values()):
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label] or 0.0, label))


def categories_of(labels: Sequence[set[str]], categories: Sequence[str]) -> dict[str, list[str]] | None:
    """Parts of each category, if there are several and none shares a part with another.

    Args:
        labels: Names of the labels that each shape has.
        categories: Category of each shape.

    Example:
        >>> categories_of([{"0", "1"}, {"2"}], ["cup", "lamp"])
        {'cup': ['0', '1'], 'lamp': ['2']}
    """
    parts: dict[str, set[str]] = {}
    for found, category in zip(labels, categories, strict=True):
        parts.setdefault(category, set()).update(found)
    every = [part for each in parts.values() for part in each]
    if len(parts) < 2 or len(set(every)) < len(every):
        return None
    return {name: sorted(parts[name]) for name in sorted(parts)}
