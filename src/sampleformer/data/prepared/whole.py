"""From samples in memory to shards: for sources whose rows cannot be taken piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.prepared.packing import PARTS, pack
from sampleformer.data.prepared.shard import ShardEntry, ShardNote, write_shard
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.source import Splits
from sampleformer.data.token_sets import TokenSets
from sampleformer.sample import LEVELS, Sample

TOKENS = 1 << 21
"""Tokens and edges after which a shard ends."""
SAMPLES = 8192
"""Largest number of samples of a shard."""


def runs(splits: Splits) -> Iterator[tuple[int, int, int]]:
    """Number of the part of each shard, and its first sample and the one after its last in that part.

    Args:
        splits: Samples of all parts.
    """
    for number, part in enumerate(PARTS):
        samples = getattr(splits, part)
        totals = np.cumsum(samples.lengths + samples.edge_counts)
        start = 0
        while start < len(samples):
            before = totals[start - 1] if start else 0
            stop = int(np.searchsorted(totals, before + TOKENS)) + 1
            stop = min(stop, start + SAMPLES, len(samples))
            yield number, start, stop
            start = stop


def write_run(folder: Path, name: str, splits: Splits, run: tuple[int, int, int]) -> ShardEntry:
    """Writes some samples of a part as a shard.

    Args:
        folder: Folder of the shards.
        name: Name of the file.
        splits: Samples of all parts.
        run: Number of the part, first sample and the one after the last.
    """
    part, start, stop = run
    samples: Samples = getattr(splits, PARTS[part])
    held = [samples.stored(row) for row in range(start, stop)]
    arrays = pack(
        TokenSets.of(held),
        _targets(held),
        [each.id for each in held],
        np.full(len(held), part, np.uint8),
        np.arange(start, stop),
    )
    return write_shard(folder / name, arrays, ShardNote())


def _targets(samples: list[Sample]) -> np.ndarray | TargetRows | None:
    if samples[0].level == LEVELS[0]:
        return None if samples[0].target is None else np.stack([_known(each.target) for each in samples])
    if samples[0].target is None and samples[0].pairs is None:
        return None
    offsets = np.cumsum([0, *(each.rows for each in samples)])
    values: Any = None if samples[0].target is None else np.concatenate([_known(each.target) for each in samples])
    pairs: Any = None if samples[0].pairs is None else np.concatenate([_known(each.pairs) for each in samples])
    return TargetRows(values, offsets, pairs)


def _known(values: np.ndarray | None) -> np.ndarray:
    assert values is not None
    return values
