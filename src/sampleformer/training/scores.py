"""Scores of a model's outputs, by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from sampleformer.data.point_cloud.part_target import PartTarget
from sampleformer.errors import InputError, nearest
from sampleformer.training.segmentation_scores import mean_iou, part_scores, restricted

if TYPE_CHECKING:
    from sampleformer.data.encoding import Encoding
    from sampleformer.training.answers import Answers

SCORES: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1", "auroc"),
    "multilabel": ("average_precision", "auroc"),
    "regression": ("mae", "rmse", "r2"),
    "segmentation": ("miou", "accuracy", "balanced_accuracy", "f1"),
    "parts": ("instance_miou", "class_miou", "accuracy", "balanced_accuracy", "f1"),
}
"""Scores of each task, of classes of points, and of parts of shapes; unless another is asked for, the first decides on
the validation part which weights are kept."""

_LOWER_IS_BETTER = ("mae", "rmse", "loss")


def selecting_score(task: str, asked: str | None = None, outputs: int = 2) -> str:
    """The score that decides which weights are kept.

    Args:
        task: how the encoding is scored, see `Encoding.scored_as`.
        asked: by the user.
        outputs: of the model; only two classes have an AUROC.

    Raises:
        InputError: if the task has no such score.

    Example:
        >>> selecting_score("classification"), selecting_score("classification", "f1")
        ('accuracy', 'f1')
    """
    many = task == "classification" and outputs != 2
    allowed = [name for name in (*SCORES[task], "loss") if not (many and name == "auroc")]
    if asked is not None and asked not in allowed:
        words = f"{task!r}" + (f" of {outputs} classes" if many else "")
        raise InputError(f"training.selected_by: found {asked!r} for the task {words}; {nearest(asked, allowed)}")
    return asked or SCORES[task][0]


def better(name: str, new: Mapping[str, float], old: Mapping[str, float] | None) -> bool:
    """Whether the scores of one check beat those of another; any beat none, and not-a-number beats nothing else.

    Args:
        name: of the score that counts; of equal ones, which small validation parts often give, the lower loss.
        new: scores of the one check.
        old: of the other.
    """
    if old is None or np.isnan(old[name]):
        return True
    if new[name] == old[name]:
        return new["loss"] < old["loss"]
    return new[name] < old[name] if name in _LOWER_IS_BETTER else new[name] > old[name]


def score(encoding: Encoding, answers: Answers) -> dict[str, float]:
    """All scores of one part of the data.

    Args:
        encoding: of the data.
        answers: of the model, with their targets; unknown ones count for nothing.

    Returns:
        Classification: accuracy, balanced_accuracy (the mean recall of the classes that occur), f1 (macro); of two
        classes also auroc. Of points also miou; of parts of shapes instance_miou and class_miou.
        Multi-label: average_precision and auroc, means over the columns in which both 0 and 1 occur.
        Regression: mae, rmse and r2, means over the columns, in the unit of the target.
    """
    outputs, targets = answers.outputs, answers.targets
    assert targets is not None
    if encoding.task == "classification":
        answers = restricted(encoding, answers.with_targets())
        outputs, targets = answers.outputs, answers.targets
        assert targets is not None
        scores = _classification(torch.from_numpy(outputs), torch.from_numpy(targets))
        if encoding.scored_as == "segmentation":
            scores |= {"miou": mean_iou(outputs.argmax(axis=1), targets, encoding.outputs)}
        if isinstance(encoding.targets, PartTarget):
            scores |= part_scores(encoding.targets, answers)
        return scores
    known = ~np.isnan(targets)
    if encoding.task == "multilabel":
        columns = [_multilabel(outputs[known[:, c], c], targets[known[:, c], c]) for c in range(targets.shape[1])]
        return _means([column for column in columns if column], ("average_precision", "auroc"))
    outputs, targets = _in_unit(encoding, outputs), _in_unit(encoding, targets)
    columns = [_regression(outputs[known[:, c], c], targets[known[:, c], c]) for c in range(targets.shape[1])]
    return _means([column for column in columns if column], ("mae", "rmse", "r2"))


def majority_share(targets: np.ndarray) -> float:
    """Accuracy of always naming the most frequent class; unknown targets, −1, do not count.

    Example:
        >>> majority_share(np.array([0, 1, 1, 1]))
        0.75
    """
    known = targets[targets >= 0].astype(np.int64)
    return float(np.bincount(known).max() / len(known))


def _classification(logits: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    from torchmetrics.functional.classification import (
        binary_auroc,
        multiclass_accuracy,
        multiclass_f1_score,
        multiclass_recall,
    )

    classes = logits.shape[1]
    recalls = multiclass_recall(logits, targets, classes, average="none")
    present = torch.bincount(targets, minlength=classes) > 0
    scores = {
        "accuracy": _number(multiclass_accuracy(logits, targets, classes, average="micro")),
        "balanced_accuracy": _number(recalls[present].mean()),
        "f1": _number(multiclass_f1_score(logits, targets, classes, average="macro")),
    }
    if classes == 2:
        ranks = _ranks((logits[:, 1].double() - logits[:, 0].double()).numpy())
        scores["auroc"] = _number(binary_auroc(ranks, targets)) if present.all() else float("nan")
    return scores


def _multilabel(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    if len(np.unique(targets)) < 2:
        return {}
    predicted, wanted = _ranks(outputs), torch.from_numpy(targets).long()
    return {
        "average_precision": _number(binary_average_precision(predicted, wanted)),
        "auroc": _number(binary_auroc(predicted, wanted)),
    }


def _regression(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

    if not len(targets):
        return {}
    predicted, wanted = torch.from_numpy(outputs), torch.from_numpy(targets)
    return {
        "mae": _number(mean_absolute_error(predicted, wanted)),
        "rmse": _number(mean_squared_error(predicted, wanted, squared=False)),
        "r2": _number(r2_score(predicted, wanted)) if len(targets) > 1 else float("nan"),
    }


def _ranks(outputs: np.ndarray) -> torch.Tensor:
    """The order of outputs as numbers from 0 to 1, of which torchmetrics makes no probabilities that round to one."""
    _, ranks = np.unique(outputs, return_inverse=True)
    return torch.from_numpy(ranks.reshape(-1) / max(1, len(outputs)))


def _number(value: torch.Tensor) -> float:
    """The seven digits that a single-precision number has."""
    return float(f"{value.item():.7g}")


def _in_unit(encoding: Encoding, values: np.ndarray) -> np.ndarray:
    columns = encoding.predictions(values)
    return np.stack([np.asarray(columns[label], dtype=np.float64) for label in encoding.labels], axis=1)


def _means(columns: list[dict[str, float]], names: tuple[str, ...]) -> dict[str, float]:
    return {name: float(np.mean([column[name] for column in columns])) if columns else float("nan") for name in names}
