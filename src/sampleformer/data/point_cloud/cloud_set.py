"""Several clouds from one file."""

from dataclasses import dataclass

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud


@dataclass(frozen=True, eq=False)
class CloudSet:
    """Clouds in the order of their file.

    Args:
        clouds: at least one.
        classes: Class of each, (clouds,), int64 or texts. None: the file does not say.
    """

    clouds: list[Cloud]
    classes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.clouds)
