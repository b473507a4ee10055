"""The user's own numbers of whole samples, such as columns of the table, beside those that a simple model makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sampleformer.compare.features.parts import Parts, samples_of
from sampleformer.data.descriptors import DESCRIPTORS, TableColumns
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.extras import require
from sampleformer.models.fitted.base import EXTRA


def with_own_numbers(parts: Parts, splits: Splits) -> Parts:
    """Numbers of the parts with those of the user beside them.

    The built-in descriptors of molecules, graphs and shapes are left out: simple models count the same themselves.

    Args:
        parts: Numbers of each sample, dense or sparse.
        splits: The data.
    """
    places = own_places(splits)
    if not len(places):
        return parts
    codes = [_codes(part, places) for part in (splits.train, splits.valid, splits.test)]
    scale = np.maximum(1, np.abs(codes[0]).max(axis=0))
    own = [each / scale for each in codes]
    return Parts(*(_beside(*pair) for pair in zip((parts.train, parts.valid, parts.test), own, strict=True)))


def own_places(splits: Splits) -> np.ndarray:
    """Places of the user's own numbers among the descriptors of a sample, ``(f,)``."""
    known = splits.encoding.descriptors
    if known is None or splits.encoding.task.of_tokens:
        return np.zeros(0, np.int64)
    own = [
        isinstance(part, TableColumns) or DESCRIPTORS.get(part.name) is not type(part)
        for part, coding in zip(known.parts, known.codings, strict=True)
        for _ in coding.widths
    ]
    return np.flatnonzero(own)


def _codes(samples: Samples, places: np.ndarray) -> np.ndarray:
    rows = [np.zeros(0) if each.descriptors is None else each.descriptors[places] for each in samples_of(samples)]
    return np.stack(rows).astype(np.float32)


def _beside(numbers: Any, own: np.ndarray) -> Any:
    if isinstance(numbers, np.ndarray):
        return np.concatenate([numbers, own], axis=1)
    return require("scipy.sparse", EXTRA).hstack([numbers, own], format="csr", dtype=np.float32)
