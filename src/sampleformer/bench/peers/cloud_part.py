"""Point clouds as PointNet and DGCNN take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sampleformer.data.samples import Samples
from sampleformer.sample import Sample
from sampleformer.training.outputs import known_targets


@dataclass(frozen=True)
class CloudBatch:
    """Several clouds of the same size.

    Args:
        points: coordinates, ``(b, n, 3)`` float32.
        targets: one entry or row a cloud.
    """

    points: Tensor
    targets: Tensor

    def to(self, device: str) -> CloudBatch:
        """The same on a device."""
        return CloudBatch(self.points.to(device), self.targets.to(device))


class CloudPart:
    """One part of the data: clouds, of which only the coordinates are seen, and what is to be said of each.

    The peers take clouds of one size: one that has fewer points, because its source has or a pass of training left some
    out, repeats its own from the first on.

    Args:
        samples: with one target each.
        points: of each cloud; at least as many as any of them has.

    Example:
        >>> from sampleformer.data import Samples, TokenSets
        >>> corner = TokenSets(np.zeros((2, 0)), np.array([0, 2]), coordinates=np.array([[0, 0, 1], [0, 2, 0.0]]))
        >>> CloudPart(Samples(corner, np.array([1]), ["a"]), 3).batch([0]).points.tolist()
        [[[0.0, 0.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]]
    """

    def __init__(self, samples: Samples, points: int) -> None:
        self._samples = samples
        self._points = points
        self.targets = known_targets(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def batch(self, rows: Sequence[int] | np.ndarray) -> CloudBatch:
        """The clouds of some rows as evaluation sees them."""
        return self._stacked(rows, (self._samples[int(row)] for row in rows))

    def drawn(self, rows: Sequence[int] | np.ndarray, seed: Sequence[int]) -> CloudBatch:
        """The clouds of some rows as a step of training sees them, augmentations included."""
        drawn = (self._samples.drawn(int(row), np.random.default_rng([*seed, int(row)])) for row in rows)
        return self._stacked(rows, drawn)

    def _stacked(self, rows: Sequence[int] | np.ndarray, clouds: Iterable[Sample]) -> CloudBatch:
        found = [
            cloud.coordinates[np.arange(self._points) % len(cloud)] for cloud in clouds if cloud.coordinates is not None
        ]
        points = torch.from_numpy(np.stack(found).astype(np.float32))
        return CloudBatch(points, torch.from_numpy(self.targets[np.asarray(rows)]))
