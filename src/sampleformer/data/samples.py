"""Samples in memory, and how they become batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from sampleformer.data.batch import Batch
from sampleformer.tokens import Tokens


@dataclass(frozen=True)
class Sample:
    """One row of the user's data.

    Args:
        features: codes ``(n,)`` or vectors ``(n, f)``.
        target: a class number ``()`` int64, or ``(t,)`` float32 with NaN where unknown. None: not known.
        id: its name in the source.
        source: the raw text, if it was a text.
    """

    features: np.ndarray
    target: np.ndarray | None
    id: str
    source: str | None = None


class Samples(Dataset[Sample]):
    """Samples of unequal lengths, kept in one array so that they load fast and take little memory.

    Args:
        features: the tokens of all samples, one after the other: ``(total,)`` of a small integer type, or
            ``(total, f)`` float32.
        offsets: ``(samples + 1,)``: sample i has the tokens from offsets[i] to offsets[i + 1].
        targets: ``(samples,)`` int64 or ``(samples, t)`` float32 with NaN where unknown; None if not known.
        ids: name of each sample.
        sources: raw text of each sample.

    Example:
        >>> samples = Samples(np.array([7, 8, 9]), np.array([0, 2, 3]), np.array([0, 1]), ["a", "b"])
        >>> samples[0].features
        array([7, 8])
    """

    def __init__(
        self,
        features: np.ndarray,
        offsets: np.ndarray,
        targets: np.ndarray | None,
        ids: Sequence[str],
        sources: Sequence[str] | None = None,
    ) -> None:
        self._features = features
        self._offsets = np.asarray(offsets, dtype=np.int64)
        self._targets = targets
        self._ids = ids
        self._sources = sources
        self._rows = np.arange(len(ids))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        return Sample(
            features=self._features[self._offsets[row] : self._offsets[row + 1]],
            target=None if self._targets is None else self._targets[row],
            id=self._ids[row],
            source=None if self._sources is None else self._sources[row],
        )

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each sample, ``(samples,)`` int64."""
        return np.diff(self._offsets)[self._rows]

    @property
    def targets(self) -> np.ndarray | None:
        """Target of each sample: ``(samples,)`` int64 or ``(samples, t)`` float32, NaN where unknown."""
        return None if self._targets is None else self._targets[self._rows]

    @property
    def ids(self) -> list[str]:
        """Name of each sample."""
        return [self._ids[row] for row in self._rows.tolist()]

    def subset(self, indices: Sequence[int] | np.ndarray) -> "Samples":
        """Some of the samples, in the order given; nothing is copied."""
        chosen = Samples(self._features, self._offsets, self._targets, self._ids, self._sources)
        chosen._rows = self._rows[np.asarray(indices, dtype=np.int64)]
        return chosen


def collate(samples: Sequence[Sample]) -> Batch:
    """Pads samples with zeros to the longest of them (and to one token at least).

    The mask is None if nothing was padded.
    """
    lengths = np.array([len(sample.features) for sample in samples])
    longest = max(1, int(lengths.max()))
    first = samples[0].features
    dtype = np.float32 if first.ndim == 2 else np.int64
    features = np.zeros((len(samples), longest, *first.shape[1:]), dtype=dtype)
    for row, sample in enumerate(samples):
        features[row, : len(sample.features)] = sample.features
    mask = None if (lengths == longest).all() else torch.from_numpy(np.arange(longest) < lengths[:, None])
    targets, target_mask = _stack_targets(samples)
    return Batch(Tokens(torch.from_numpy(features), mask), targets, target_mask, [sample.id for sample in samples])


def _stack_targets(samples: Sequence[Sample]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if samples[0].target is None:
        return None, None
    targets = torch.from_numpy(np.stack([sample.target for sample in samples if sample.target is not None]))
    if not targets.is_floating_point():
        return targets, None
    known = ~targets.isnan()
    return (targets, None) if known.all() else (targets.nan_to_num(0.0), known)
