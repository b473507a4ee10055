"""Numbers of the three parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.sample import Sample


@dataclass(frozen=True)
class Parts:
    """Numbers of each part, ``(rows, f)``, dense or sparse; a row is a sample, or a token or a pair of one.

    Args:
        train, valid, test: Of the parts.
    """

    train: Any
    valid: Any
    test: Any

    def chosen(self, keep: np.ndarray) -> Parts:
        """Some of the columns.

        Args:
            keep: True for a column that stays, ``(f,)``.

        Raises:
            InputError: if none stays.
        """
        if not keep.any():
            raise InputError("all numbers of the training part are the same, so that there is nothing to learn from")
        return Parts(self.train[:, keep], self.valid[:, keep], self.test[:, keep])


def samples_of(samples: Samples) -> Iterator[Sample]:
    """Samples in their order, as evaluation sees them."""
    return (samples[row] for row in range(len(samples)))


def dense_parts(splits: Splits, numbers: Callable[[Sample], np.ndarray]) -> Parts:
    """Numbers of each sample, NaN for gaps, without the columns that are the same for all of the training part.

    Args:
        splits: The data.
        numbers: Numbers of one sample, ``(f,)``; or of what its targets are for, ``(rows, f)``.
    """
    made = []
    gaps = bool(splits.encoding.model_inputs.get("gaps"))
    for part in (splits.train, splits.valid, splits.test):
        rows = [np.atleast_2d(numbers(sample)).astype(np.float32) for sample in samples_of(part)]
        joined = np.concatenate(rows)
        made.append(np.nan_to_num(joined, nan=np.nan if gaps else 0.0, posinf=1e9, neginf=-1e9))
    parts = Parts(*made)
    return parts.chosen((parts.train != parts.train[:1]).any(axis=0))


def moments(values: np.ndarray) -> np.ndarray:
    """Mean, deviation, least and greatest of each column of ``(n, f)``, ``(4 f,)``; zeros where there are no rows.

    Example:
        >>> moments(np.array([[1.0], [3.0]])).tolist()
        [2.0, 1.0, 1.0, 3.0]
    """
    if not len(values):
        return np.zeros(4 * values.shape[1])
    return np.concatenate([values.mean(axis=0), values.std(axis=0), values.min(axis=0), values.max(axis=0)])
