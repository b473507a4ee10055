"""From samples to a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sampleformer.data.batch import Batch
from sampleformer.edges import Edges
from sampleformer.sample import LEVELS, Sample
from sampleformer.tokens import Tokens

_PER_TOKEN = ("coordinates", "normals", "encodings", "identifiers")
_UNKNOWN_CLASS = -1


def collate(samples: Sequence[Sample]) -> Batch:
    """Pads samples with zeros to the longest of them (and to one token at least).

    A mask is None if nothing was padded. Edges of an undirected graph come in both directions, one after the other.
    """
    lengths = np.array([len(sample) for sample in samples])
    longest = max(1, int(lengths.max()))
    vectors = {
        name: _padded([getattr(sample, name) for sample in samples], longest, np.float32)
        for name in _PER_TOKEN
        if getattr(samples[0], name) is not None
    }
    described = [sample.descriptors for sample in samples if sample.descriptors is not None]
    tokens = Tokens(
        _padded([sample.features for sample in samples], longest),
        _mask(lengths, longest),
        **vectors,
        descriptors=torch.from_numpy(np.stack(described).astype(np.float32)) if described else None,
        hidden=None if samples[0].hidden is None else _padded([sample.hidden for sample in samples], longest, np.bool_),
        edges=None if samples[0].ends is None else _edges(samples),
    )
    ids = [sample.id for sample in samples]
    if samples[0].level == LEVELS[0]:
        return Batch(tokens, *_stack_targets(samples), ids)
    every_token = samples[0].pairs is None and samples[0].asked is None
    rows = np.array([sample.rows for sample in samples])
    most = longest if every_token else max(1, int(rows.max()))
    targets, known = _pad_targets(samples, most)
    answered = torch.from_numpy(np.arange(most) < rows[:, None])
    asked: dict[str, Any] = {
        name: _padded([getattr(sample, name) for sample in samples], most, np.int64)
        for name in ("pairs", "asked")
        if getattr(samples[0], name) is not None
    }
    return Batch(tokens, targets, known, ids, answered, **asked)


def _mask(lengths: np.ndarray, longest: int) -> Tensor | None:
    return None if (lengths == longest).all() else torch.from_numpy(np.arange(longest) < lengths[:, None])


def _padded(rows: Sequence[np.ndarray | None], longest: int, dtype: type | None = None, fill: float = 0.0) -> Tensor:
    """Arrays of unequal lengths below each other, ``(b, longest, …)``; integers become int64, others float32."""
    arrays = [np.asarray(row) for row in rows]
    if dtype is None:
        dtype = np.int64 if np.issubdtype(arrays[0].dtype, np.integer) else np.float32
    values = np.full((len(arrays), longest, *arrays[0].shape[1:]), fill, dtype=dtype)
    for row, array in enumerate(arrays):
        values[row, : len(array)] = array
    return torch.from_numpy(values)


def _edges(samples: Sequence[Sample]) -> Edges:
    directions = 1 if samples[0].directed else 2
    counts = np.array([directions * len(sample.ends) for sample in samples])  # type: ignore[arg-type]
    most = int(counts.max())
    ends, features = [], []
    for sample in samples:
        assert sample.ends is not None
        carried = sample.edge_features
        carried = np.zeros((len(sample.ends), 0), np.float32) if carried is None else carried
        if directions == 2:
            ends.append(np.stack([sample.ends, sample.ends[:, ::-1]], axis=1).reshape(-1, 2))
            features.append(np.repeat(carried, 2, axis=0))
        else:
            ends.append(sample.ends)
            features.append(carried)
    padded = _padded(ends, most, np.int64)
    return Edges(
        padded[..., 0].contiguous(),
        padded[..., 1].contiguous(),
        _padded(features, most, np.float32),
        _mask(counts, most),
    )


def _stack_targets(samples: Sequence[Sample]) -> tuple[Tensor | None, Tensor | None]:
    if samples[0].target is None:
        return None, None
    return _with_known(torch.from_numpy(np.stack([sample.target for sample in samples if sample.target is not None])))


def _pad_targets(samples: Sequence[Sample], most: int) -> tuple[Tensor | None, Tensor | None]:
    if samples[0].target is None:
        return None, None
    classes = np.issubdtype(samples[0].target.dtype, np.integer)
    fill = _UNKNOWN_CLASS if classes else np.nan
    return _with_known(_padded([sample.target for sample in samples], most, fill=fill))


def _with_known(targets: Tensor) -> tuple[Tensor, Tensor | None]:
    """Targets with zeros where they are unknown, and where they are known; None: everywhere."""
    known = ~targets.isnan() if targets.is_floating_point() else targets >= 0
    return (targets, None) if known.all() else (targets.masked_fill(~known, 0), known)
