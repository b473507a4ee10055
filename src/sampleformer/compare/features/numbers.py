"""Numbers of sequences of equal length, one after the other."""

from __future__ import annotations

import numpy as np

from sampleformer.compare.features.parts import Parts, dense_parts
from sampleformer.data.source import Splits


def sequence_parts(splits: Splits) -> Parts:
    """Numbers, or codes as numbers, of all tokens of a sample in one row."""
    return dense_parts(splits, lambda sample: sample.features.reshape(1, -1).astype(np.float32))


def equal_length(splits: Splits) -> int | None:
    """Number of tokens of every sample of all parts; None: they differ."""
    lengths = np.unique(np.concatenate([part.lengths for part in (splits.train, splits.valid, splits.test)]))
    return int(lengths[0]) if len(lengths) == 1 else None
