"""Some of the points of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud


@dataclass(frozen=True, eq=False)
class PlacedCloud:
    """Points, and which of their source they are.

    Args:
        cloud: the points.
        index: place of each in its source, ``(n,)``, from 0.
    """

    cloud: Cloud
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def whole(cls, cloud: Cloud) -> PlacedCloud:
        """All points of a cloud."""
        return cls(cloud, np.arange(len(cloud)))

    def take(self, rows: np.ndarray) -> PlacedCloud:
        """Some of the points, in the order of `rows`."""
        return PlacedCloud(self.cloud.take(rows), self.index[rows])
