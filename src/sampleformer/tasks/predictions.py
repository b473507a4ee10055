"""Predictions flattened to one row per target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Outputs of a model for samples, or for their tokens or pairs of tokens.

    Args:
        outputs: Raw outputs, ``(rows, o)``.
        targets: Classes ``(rows,)``, −1 where unknown; or numbers ``(rows, t)`` float32, NaN where unknown. None: there
            are no targets.
        ids: Name of each sample; the blocks of one scene share one.
        sample: Index in ``ids`` of each row, ``(rows,)``.
        tokens: Token that each row is for, ``(rows,)``, or its two tokens, ``(rows, 2)``, as the source names or
            counts them. None: rows are for samples.

    Example:
        >>> predictions = Predictions(np.zeros((2, 1)), np.array([[1.0], [np.nan]]), ["a", "b"], np.arange(2))
        >>> len(predictions.with_targets())
        1
    """

    outputs: np.ndarray
    targets: np.ndarray | None
    ids: list[str]
    sample: np.ndarray
    tokens: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.outputs)

    @classmethod
    def joined(cls, pieces: Sequence[Predictions]) -> Predictions:
        """Predictions for one piece of a file after the other."""
        starts = np.cumsum([0, *(len(each.ids) for each in pieces[:-1])])
        targets = [each.targets for each in pieces if each.targets is not None]
        tokens = [each.tokens for each in pieces if each.tokens is not None]
        return cls(
            np.concatenate([each.outputs for each in pieces]),
            np.concatenate(targets) if targets else None,
            [name for each in pieces for name in each.ids],
            np.concatenate([each.sample + start for each, start in zip(pieces, starts, strict=True)]),
            np.concatenate(tokens) if tokens else None,
        )

    def with_targets(self) -> Predictions:
        """Predictions whose target is known, at least in part."""
        if self.targets is None:
            return self
        rows = is_known(self.targets)
        kept = rows if rows.ndim == 1 else rows.any(axis=1)
        tokens = None if self.tokens is None else self.tokens[kept]
        return replace(
            self, outputs=self.outputs[kept], targets=self.targets[kept], sample=self.sample[kept], tokens=tokens
        )

    def rows_by_sample(self) -> list[np.ndarray]:
        """Rows of each sample that has any, ``(n,)`` each."""
        order = np.argsort(self.sample, kind="stable")
        ends = np.flatnonzero(np.diff(self.sample[order])) + 1
        return [rows for rows in np.split(order, ends) if len(rows)]


def is_known(targets: np.ndarray) -> np.ndarray:
    """True where a target is known: no class −1, no NaN; in the shape of the targets.

    Example:
        >>> is_known(np.array([0, -1])).tolist(), is_known(np.array([[np.nan, 1.0]])).tolist()
        ([True, False], [[False, True]])
    """
    return ~np.isnan(targets) if np.issubdtype(targets.dtype, np.floating) else targets >= 0


def count_known(targets: np.ndarray) -> int:
    """Number of samples, tokens or pairs whose target is known, at least in part."""
    known = is_known(targets)
    return int((known if known.ndim == 1 else known.any(axis=1)).sum())
