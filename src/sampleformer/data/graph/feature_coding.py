"""What the training part teaches about the features of nodes or edges."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.tables.standardisation import mean_and_deviation, too_far

logger = logging.getLogger("sampleformer")

Category = str | int
_MOST_CATEGORIES = 1000  # of one column; rarer ones are unknown
_FLAGS = (0.0, 1.0)


@dataclass(frozen=True)
class FeatureCoding:
    """Mean and deviation of each number, and the categories that occur.

    Args:
        mean, deviation: of each number in the training part; 0 and 1 where it is nothing but 0 and 1.
        categories: of each column of texts or codes, those of the training part, sorted. Others are unknown.
        gaps: places of the numbers that are missing here and there in the training part, NaN. A gap counts as the mean,
            and in these a further number says that it is one.

    Example:
        >>> coding = FeatureCoding((2.0,), (0.5,), (("a", "b"),))
        >>> coding.vectors(np.array([[3.0]]), np.array([["b"]], dtype=object))
        array([[2., 0., 1.]], dtype=float32)
        >>> coding.codes(np.array([["b"], ["new"]], dtype=object)).tolist()
        [[2], [0]]
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    categories: tuple[tuple[Category, ...], ...]
    gaps: tuple[int, ...] = ()

    @classmethod
    def learn(
        cls, numbers: Sequence[np.ndarray], categories: Sequence[np.ndarray], names: Sequence[str] = ()
    ) -> FeatureCoding:
        """What some graphs teach; says which columns have more categories than are kept apart.

        Args:
            numbers: of the nodes or edges of each graph, ``(n, f)``.
            categories: the same, ``(n, c)``.
            names: of the columns of categories, for messages.
        """
        mean, deviation = _moments(numbers)
        columns = list(zip(*(list(values.T) for values in categories), strict=True))
        names = names if len(names) == len(columns) else [f"code {place}" for place in range(len(columns))]
        known = tuple(_frequent(parts, name) for parts, name in zip(columns, names, strict=True))
        missing = np.any([np.isnan(values).any(axis=0) for values in numbers], axis=0)
        return cls(mean, deviation, known, tuple(np.flatnonzero(missing).tolist()))

    @property
    def all_codes(self) -> bool:
        """Whether there are categories and no numbers."""
        return bool(self.categories) and not self.mean

    @property
    def vocabularies(self) -> list[int]:
        """Number of codes of each column, that of an unknown category included."""
        return [len(known) + 1 for known in self.categories]

    @property
    def width(self) -> int:
        """Length of a vector."""
        return len(self.mean) + sum(len(known) for known in self.categories) + len(self.gaps)

    def codes(self, categories: np.ndarray) -> np.ndarray:
        """The code of each category from 1 on, 0 if it is unknown: ``(n, c)``, of a small integer type."""
        kind = np.uint8 if max(self.vocabularies, default=0) <= 256 else np.int64
        codes = np.zeros((len(categories), len(self.categories)), dtype=kind)
        for place, known in enumerate(self.categories):
            codes[:, place] = _places(categories[:, place], known)
        return codes

    def vectors(self, numbers: np.ndarray, categories: np.ndarray) -> np.ndarray:
        """Standardised numbers, each category one-hot (zeros if unknown), then gaps, ``(n, width)`` float32.

        Raises:
            ValueError: if a number is too far from those of the training part, see `standardisation.reach`.
        """
        vectors = np.zeros((len(numbers), self.width), dtype=np.float32)
        first = len(self.mean)
        if first:
            mean, deviation = np.array(self.mean), np.array(self.deviation)
            for row, column, problem in too_far(numbers, mean, deviation):
                raise ValueError(f"number {column} of {row}: {problem}")
            missing = np.isnan(numbers)
            vectors[:, self.width - len(self.gaps) :] = missing[:, list(self.gaps)]
            vectors[:, :first] = np.where(missing, 0, (numbers.astype(np.float64) - mean) / deviation)
        for place, known in enumerate(self.categories):
            codes = _places(categories[:, place], known)
            rows = np.flatnonzero(codes)
            vectors[rows, first + codes[rows] - 1] = 1
            first += len(known)
        return vectors

    def misfit(self, numbers: int, categories: int) -> str | None:
        """What is wrong with so many numbers and categories, in words; None: nothing."""
        found, expected = (numbers, categories), (len(self.mean), len(self.categories))
        if found == expected:
            return None
        words = ["{} numbers and {} categories".format(*counts) for counts in (found, expected)]
        return f"{words[0]}, expected {words[1]} as in the training data"

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return {"mean": self.mean, "deviation": self.deviation, "categories": self.categories, "gaps": self.gaps}


def _moments(numbers: Sequence[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each number; 0 and 1 of flags. NaN counts for nothing."""
    mean, deviation = mean_and_deviation(*numbers)
    flags = np.all([(np.isin(values, _FLAGS) | np.isnan(values)).all(axis=0) for values in numbers], axis=0)
    return tuple(np.where(flags, 0.0, mean).tolist()), tuple(np.where(flags, 1.0, deviation).tolist())


def _frequent(parts: Sequence[np.ndarray], name: str) -> tuple[Category, ...]:
    """The different values of a column, sorted; the most frequent ones if there are too many, which is said."""
    counts: Counter[Category] = Counter()
    for values in parts:
        if values.dtype == object:
            counts.update(map(str, values.tolist()))
        else:
            counts.update(dict(zip(*(found.tolist() for found in np.unique(values, return_counts=True)), strict=True)))
    known = sorted(counts)
    if len(known) > _MOST_CATEGORIES:
        logger.warning(
            "%s has %s different categories: the %s most frequent are told apart, the others are one",
            name,
            f"{len(known):,}",
            f"{_MOST_CATEGORIES:,}",
        )
        known = sorted(sorted(known, key=lambda value: -counts[value])[:_MOST_CATEGORIES])
    return tuple(known)


def _places(values: np.ndarray, known: tuple[Category, ...]) -> np.ndarray:
    """The place of each value among the known ones from 1 on, 0 where it is none of them."""
    if not known or not len(values):
        return np.zeros(len(values), dtype=np.int64)
    if isinstance(known[0], str) or values.dtype == object:
        places = {str(each): place for place, each in enumerate(known, start=1)}
        return np.array([places.get(str(value), 0) for value in values.tolist()], dtype=np.int64)
    ranked = np.array(known)
    found = np.searchsorted(ranked, values).clip(max=len(known) - 1)
    return np.where(ranked[found] == values, found + 1, 0)
