"""Samples, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Dataset

from sampleformer.sample import LEVELS, Sample


class Prepare(Protocol):
    """What is done to a sample each time it is used, see `Inputs.prepare`."""

    def __call__(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """The sample as the model sees it."""
        ...


class HeldSets(Protocol):
    """What samples hold, wherever it lies: `TokenSets` in memory, or `MappedSets` on disk."""

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each set, ``(sets,)`` int64."""
        ...

    @property
    def edges(self) -> np.ndarray:
        """Number of edges of each set, ``(sets,)`` int64."""
        ...

    def arguments(self, row: int) -> dict[str, Any]:
        """What one set holds, as arguments of `Sample`."""
        ...


class TargetRows:
    """Targets of single tokens or of pairs, those of all samples one after the other.

    Args:
        values: ``(rows,)`` int64, −1 where unknown, or ``(rows, t)`` float32, NaN where unknown. None: none is known.
        offsets: ``(samples + 1,)``: sample i has the rows from offsets[i] to offsets[i + 1].
        pairs: the two tokens of each pair, ``(rows, 2)``. None: each row is for the token of the same place.
    """

    def __init__(self, values: np.ndarray | None, offsets: np.ndarray, pairs: np.ndarray | None = None) -> None:
        self.values = values
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.pairs = pairs
        self.level = LEVELS[1] if pairs is None else LEVELS[2]

    def arguments(self, row: int) -> dict[str, Any]:
        """Those of one sample, as arguments of `Sample`."""
        part = slice(self.offsets[row], self.offsets[row + 1])
        return {
            "target": None if self.values is None else self.values[part],
            "pairs": None if self.pairs is None else self.pairs[part],
            "level": self.level,
        }


class Samples(Dataset[Sample]):
    """Samples of unequal lengths, kept in few arrays or read from disk.

    A sample that is taken by its index is as evaluation sees it, always the same; `drawn` gives it as a training pass
    does.

    Args:
        sets: what the samples hold.
        targets: one a sample, ``(samples,)`` int64 or ``(samples, t)`` float32 with NaN where unknown; or rows for
            tokens or pairs; None if not known.
        ids: name of each sample.
        prepare: what is done to a sample each time it is used; None: nothing.
        size_of: tokens that the model sees of a sample with so many tokens and edges; None: all of both.

    Example:
        >>> from sampleformer.data import TokenSets
        >>> sets = TokenSets(np.array([7, 8, 9]), np.array([0, 2, 3]))
        >>> samples = Samples(sets, np.array([0, 1]), ["a", "b"])
        >>> samples[0].features
        array([7, 8])
    """

    def __init__(
        self,
        sets: HeldSets,
        targets: np.ndarray | TargetRows | None,
        ids: Sequence[str],
        *,
        prepare: Prepare | None = None,
        size_of: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._sets = sets
        self._targets = targets
        self._ids = ids
        self._prepare = prepare
        self._size_of = size_of or np.add
        self._rows = np.arange(len(ids))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        sample = self.stored(index)
        if self._prepare is None:
            return sample
        # By the content alone, so that an answer depends neither on the sample's row nor on what is beside it.
        return self._prepare(sample, np.random.default_rng(sample.digest()), training=False)

    def drawn(self, index: int, random: np.random.Generator) -> Sample:
        """A sample as one pass of training sees it, with augmentations drawn anew."""
        sample = self.stored(index)
        return sample if self._prepare is None else self._prepare(sample, random, training=True)

    def stored(self, index: int) -> Sample:
        """A sample as it is kept, with nothing done to it."""
        row = self._rows[index]
        held = {"target": None} | self._sets.arguments(row)
        if isinstance(self._targets, TargetRows):
            held |= self._targets.arguments(row)
        elif self._targets is not None:
            held["target"] = self._targets[row]
        return Sample(**held, id=self._ids[row])

    @property
    def level(self) -> str:
        """What the targets are for: see `sample.LEVELS`."""
        return self._targets.level if isinstance(self._targets, TargetRows) else LEVELS[0]

    @property
    def draws_targets(self) -> bool:
        """Whether targets are made of what a sample holds, so that each of them costs reading it."""
        return isinstance(self._targets, TargetRows) and self._targets.values is None

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each sample, ``(samples,)`` int64."""
        return self._sets.lengths[self._rows]

    @property
    def edge_counts(self) -> np.ndarray:
        """Number of edges of each sample, ``(samples,)`` int64."""
        return self._sets.edges[self._rows]

    @property
    def sizes(self) -> np.ndarray:
        """Number of tokens and edges that the model sees of each sample, ``(samples,)`` int64."""
        return self._size_of(self.lengths, self.edge_counts)

    @property
    def targets(self) -> np.ndarray | None:
        """Targets of all samples as evaluation sees them, one after the other.

        Returns:
            ``(rows,)`` int64, −1 where unknown, or ``(rows, t)`` float32, NaN where unknown; a row is a sample, or a
            token or a pair of one. None if not known.
        """
        if not isinstance(self._targets, TargetRows):
            return None if self._targets is None else self._targets[self._rows]
        if not len(self) or self[0].target is None:
            return None
        return np.concatenate([sample.target for sample in map(self.__getitem__, range(len(self)))])

    @property
    def ids(self) -> list[str]:
        """Name of each sample."""
        return [self._ids[row] for row in self._rows.tolist()]

    def subset(self, indices: Sequence[int] | np.ndarray) -> Samples:
        """Some of the samples, in the order given; nothing is copied."""
        chosen = Samples(self._sets, self._targets, self._ids, prepare=self._prepare, size_of=self._size_of)
        chosen._rows = self._rows[np.asarray(indices, dtype=np.int64)]
        return chosen
