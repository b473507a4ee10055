"""Point clouds as PointNet and DGCNN take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sampleformer.data.sample import Sample
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
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

    Args:
        samples: with one target each.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.targets = known_targets(samples)

    def __len__(self) -> int:
        return len(self._samples)

    def batch(self, rows: Sequence[int] | np.ndarray) -> CloudBatch:
        """The clouds of some rows as evaluation sees them.

        Raises:
            InputError: if they are of unequal sizes.
        """
        return self._stacked(rows, (self._samples[int(row)] for row in rows))

    def drawn(self, rows: Sequence[int] | np.ndarray, seed: Sequence[int]) -> CloudBatch:
        """The clouds of some rows as a step of training sees them, augmentations included.

        Raises:
            InputError: if they are of unequal sizes.
        """
        drawn = (self._samples.drawn(int(row), np.random.default_rng([*seed, int(row)])) for row in rows)
        return self._stacked(rows, drawn)

    def _stacked(self, rows: Sequence[int] | np.ndarray, clouds: Iterable[Sample]) -> CloudBatch:
        points = [cloud.coordinates for cloud in clouds if cloud.coordinates is not None]
        sizes = sorted({len(each) for each in points})
        if len(sizes) > 1:
            raise InputError(
                f"--baselines: found clouds of {sizes[0]} and of {sizes[-1]} points, expected as many in each, which "
                "pointnet and dgcnn need"
            )
        return CloudBatch(torch.from_numpy(np.stack(points)), torch.from_numpy(self.targets[np.asarray(rows)]))
