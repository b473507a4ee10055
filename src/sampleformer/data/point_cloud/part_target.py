"""Parts of shapes as classes of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sampleformer.data.targets import ClassTarget


class PartTarget(ClassTarget, saved_as="parts"):
    """Parts of shapes, where each category of shapes has its own.

    Args:
        column: what the parts are called.
        labels: names of all parts, in the order of the model's outputs.
        categories: for each category, the names of its parts; each part belongs to one.

    Example:
        >>> target = PartTarget("labels", ["0", "1", "2"], {"cup": ["0", "1"], "lamp": ["2"]})
        >>> target.category_of_part.tolist()
        [0, 0, 1]
    """

    scored_as = "parts"

    def __init__(self, column: str, labels: list[str], categories: Mapping[str, Sequence[str]]) -> None:
        super().__init__(column, labels)
        self.categories = {name: list(parts) for name, parts in categories.items()}
        place = {part: number for number, parts in enumerate(self.categories.values()) for part in parts}
        self.category_of_part = np.array([place.get(label, -1) for label in labels], np.int64)

    def category(self, outputs: np.ndarray, classes: np.ndarray | None) -> int:
        """The category of one shape: that of its parts where they are known, else the one that is most probable.

        Args:
            outputs: for its points, ``(n, parts)``.
            classes: of its points, −1 where unknown; None: not known.
        """
        if classes is not None and (classes >= 0).any():
            return int(self.category_of_part[classes[classes >= 0][0]])
        shifted = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
        likely = (shifted / shifted.sum(axis=1, keepdims=True)).sum(axis=0)
        return int(np.argmax([likely[self.parts(number)].sum() for number in range(len(self.categories))]))

    def parts(self, category: int) -> np.ndarray:
        """The classes that are parts of a category."""
        return np.flatnonzero(self.category_of_part == category)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "task": "parts", "categories": self.categories}


def categories_of(labels: Sequence[set[str]], categories: Sequence[str]) -> dict[str, list[str]] | None:
    """The parts of each category, if there are several and none shares a part with another.

    Args:
        labels: names of the labels that each shape has.
        categories: of each shape.

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
