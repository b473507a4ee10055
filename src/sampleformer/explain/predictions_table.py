"""The predictions of a run for its test part, as the report reads them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sampleformer.errors import InputError
from sampleformer.explain.confusion import confusion, count_pairs
from sampleformer.explain.label_scores import label_scores
from sampleformer.explain.residuals import residuals


@dataclass(frozen=True)
class PredictionsTable:
    """The table ``test_predictions.csv``.

    Args:
        task: classification, multilabel or regression.
        labels: class names or target columns.
        ids: of the samples.
        columns: the cells of each other column.
    """

    task: str
    labels: Sequence[str]
    ids: Sequence[str]
    columns: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path, task: str, labels: Sequence[str]) -> "PredictionsTable":
        """Reads the table.

        Raises:
            InputError: if it is missing or lacks a column.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                head, *rows = list(csv.reader(file)) or [[]]
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file, expected the predictions of a run for its test part") from error
        # Columns by place from the left: a label may be called like another column.
        columns = {name: [row[place] for row in rows] for place, name in reversed(list(enumerate(head)))}
        if task == "classification":
            needed = ["target", "prediction"]
        else:
            needed = [f"target_{label}" for label in labels] + [_predicted(task, label) for label in labels]
        for name in ["id", *needed]:
            if name not in columns:
                raise InputError(f"{path}: no column {name!r}, expected the predictions of a {task} run")
        if task == "classification":
            for name in sorted({*columns["target"], *columns["prediction"]} - set(labels)):
                raise InputError(f"{path}: class {name!r} is none of the model's classes")
        return cls(task, labels, columns["id"], columns)

    def html(self) -> str:
        """Confusion matrix, scores of each label, or residuals, by task."""
        if self.task == "classification":
            return confusion(self.labels, count_pairs(self.labels, self.columns["target"], self.columns["prediction"]))
        return label_scores(self._pairs()) if self.task == "multilabel" else residuals(self._pairs())

    def title(self) -> str:
        """What `html` shows."""
        return {"classification": "Confusion matrix", "multilabel": "Each label"}.get(self.task, "Residuals")

    def to_show(self, number: int) -> list[int]:
        """Places of samples worth a look: half of them predicted badly, and of different classes."""
        worst, others = self._worst_and_others()
        chosen = worst[: number // 2]
        left = [place for place in others if place not in chosen]
        return sorted(chosen + left[: number - len(chosen)])

    @property
    def words_for_shown(self) -> str:
        """What is special about the samples of `to_show`."""
        if self.task == "classification":
            return ", right and wrong ones where there are both"
        return ", half of them with the largest errors" if self.task == "regression" else ""

    def _worst_and_others(self) -> tuple[list[int], list[int]]:
        everything = list(range(len(self.ids)))
        if self.task == "multilabel":
            return [], everything
        if self.task == "regression":
            return np.argsort(-self._errors(), kind="stable").tolist(), everything
        true, predicted = self.columns["target"], self.columns["prediction"]
        order = _new_classes_first(true)
        wrong = [place for place in order if true[place] != predicted[place]]
        return wrong, [place for place in order if true[place] == predicted[place]] + wrong

    def _errors(self) -> Float[np.ndarray, " n"]:
        """Mean over the targets of the error's size, in deviations of the target."""
        sizes = [np.abs(said - true) / max(float(np.nanstd(true)), 1e-12) for true, said in self._pairs().values()]
        return np.mean(np.nan_to_num(sizes), axis=0)

    def _pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Truth and prediction by label."""
        return {
            label: (self._numbers(f"target_{label}"), self._numbers(_predicted(self.task, label)))
            for label in self.labels
        }

    def _numbers(self, column: str) -> np.ndarray:
        return np.array([float(cell) if cell else np.nan for cell in self.columns[column]], dtype=np.float64)


def _predicted(task: str, label: str) -> str:
    return label if task == "regression" else f"probability_{label}"


def _new_classes_first(classes: Sequence[str]) -> list[int]:
    """The first place of each class, then all other places."""
    first = sorted({name: place for place, name in reversed(list(enumerate(classes)))}.values())
    left = sorted(set(range(len(classes))) - set(first))
    return first + left
