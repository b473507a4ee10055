"""Columns of numbers as a model learns best from them: their places among the quantiles of the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sampleformer.errors import shown
from sampleformer.tables.standardisation import mean_and_deviation

_FARTHEST = 5.0  # deviations from the mean
_FEWEST = 3  # rows that must differ from the most frequent value: what fewer rows show is learnt by heart


@dataclass(frozen=True)
class QuantileCoding:
    """The place of each number among the quantiles of its column.

    A number x between the quantiles ``e_b`` and ``e_(b+1)`` becomes ``b + (x − e_b) / (e_(b+1) − e_b)``, which a model
    takes apart into one number a bin (`expand`). Small counts have a bin for each step. A column with more different
    values than bins also stands there standardised, and one with gaps also says where they are, which may be all that
    it says.

    Args:
        columns: Place of each kept column among those that were measured.
        edges: Quantiles of each kept column, increasing, two at least.
        mean, deviation: Of each kept column.
        linear: Whether each kept column also stands there standardised.
        gaps: Whether each kept column also says where its value is missing.

    Raises:
        ValueError: if the fields do not fit together, or edges do not increase.

    Source: Gorishniy et al. 2022, On embeddings for numerical features in tabular deep learning (arXiv 2203.05556),
    section 3.2, piecewise linear encoding.

    Example:
        >>> coding = QuantileCoding.learn(np.array([[0.0], [0], [0], [1], [1], [2], [2]]), bins=8)
        >>> coding.widths
        (2,)
        >>> coding.encode(np.array([[0.0], [1.5], [9]])).tolist()
        [[0.0], [1.5], [2.0]]
    """

    columns: tuple[int, ...]
    edges: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    linear: tuple[bool, ...]
    gaps: tuple[bool, ...]

    def __post_init__(self) -> None:
        counts = {name: len(value) for name, value in self.to_json().items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"found {counts}, expected as many of each")
        for edges in self.edges:
            if len(edges) < 2 or not all(low < high for low, high in pairwise(edges)):
                raise ValueError(
                    f"edges has {shown(list(edges))}, expected two numbers at least, each above the one before"
                )
        if min(self.columns, default=0) < 0 or not all(0 < each < np.inf for each in self.deviation):
            raise ValueError("columns or deviation has a number that cannot be, expected 0 or more, and above 0")

    @classmethod
    def learn(cls, numbers: np.ndarray, bins: int) -> QuantileCoding:
        """What the training part teaches.

        Args:
            numbers: ``(rows, columns)``; NaN is a gap.
            bins: Largest number of bins of a column. At least 1.
        """
        kept: list[tuple[int, tuple[float, ...], bool, bool]] = []
        for place, column in enumerate(numbers.T):
            known = column[np.isfinite(column)].astype(np.float64)
            values, counts = np.unique(known, return_counts=True)
            missing = len(column) - len(known)
            if len(values) == 1 and min(missing, len(known)) >= _FEWEST:
                kept.append((place, (float(values[0]), float(values[0] + max(1.0, abs(values[0])))), False, True))
            if len(values) < 2 or len(known) - counts.max() < _FEWEST:
                continue
            kept.append((place, _edges(known, values, counts, bins), len(values) > bins + 1, missing > 0))
        places = [place for place, *_ in kept]
        mean, deviation = mean_and_deviation(_finite(numbers[:, places]))
        return cls(
            tuple(places),
            tuple(edges for _, edges, _, _ in kept),
            tuple(mean.tolist()),
            tuple(deviation.tolist()),
            tuple(linear for *_, linear, _ in kept),
            tuple(gaps for *_, gaps in kept),
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Bins of each column that `encode` gives; 0: it stands there as it is."""
        return tuple(width for widths, _ in self._layout() for width in widths)

    def names(self, measured: Sequence[str]) -> list[str]:
        """Name of each column that `encode` gives, from those of the columns that were measured."""
        return [
            f"{measured[place]}{word}"
            for place, (_, words) in zip(self.columns, self._layout(), strict=True)
            for word in words
        ]

    def _layout(self) -> list[tuple[list[int], list[str]]]:
        """Bins and further words of the columns that each kept column gives."""
        return [
            ([len(edges) - 1, *[0] * linear, *[1] * gap], ["", *[""] * linear, *[" is missing"] * gap])
            for edges, linear, gap in zip(self.edges, self.linear, self.gaps, strict=True)
        ]

    def encode(self, numbers: np.ndarray) -> np.ndarray:
        """Codes ``(rows, len(widths))`` float16 of numbers ``(rows, columns)``; a gap counts as the median quantile."""
        codes = np.zeros((len(numbers), len(self.widths)), np.float16)
        at = 0
        for place, edges, mean, deviation, linear, gaps in zip(
            self.columns, self.edges, self.mean, self.deviation, self.linear, self.gaps, strict=True
        ):
            column = numbers[:, place].astype(np.float64)
            missing = np.isnan(column)
            codes[:, at] = _places(np.where(missing, edges[len(edges) // 2], column), np.array(edges))
            at += 1
            if linear:
                scaled = np.where(missing, 0.0, ((column - mean) / deviation).clip(-_FARTHEST, _FARTHEST))
                codes[:, at] = scaled
                at += 1
            if gaps:
                codes[:, at] = missing
                at += 1
        return codes

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return {name: getattr(self, name) for name in ("columns", "edges", "mean", "deviation", "linear", "gaps")}


def _places(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bins below each number, and the share of its own."""
    # Not by numpy.interp: one over the width of a bin may be infinite.
    numbers = numbers.clip(edges[0], edges[-1])
    bins = (np.searchsorted(edges, numbers, side="right") - 1).clip(max=len(edges) - 2)
    return bins + (numbers - edges[bins]) / (edges[bins + 1] - edges[bins])


def _edges(known: np.ndarray, values: np.ndarray, counts: np.ndarray, bins: int) -> tuple[float, ...]:
    """Quantiles of a column: all values if they are few; else those of the values beside one that most rows share."""
    if len(values) <= bins + 1:
        return tuple(values.tolist())
    often = counts.max() * (bins + 1) > len(known)
    common = values[counts.argmax()]
    inner = np.quantile(known[known != common] if often else known, np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.unique(np.concatenate([values[[0, -1]], inner, [common] if often else []]))
    return tuple(edges.tolist())


def _finite(numbers: np.ndarray) -> np.ndarray:
    numbers = numbers.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
