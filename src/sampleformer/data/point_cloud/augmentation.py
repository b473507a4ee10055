"""What is done to a cloud at random each time it is trained on."""

from dataclasses import dataclass

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.rotations import AXES, axis_rotations, uniform_rotations
from sampleformer.errors import InputError, nearest

ROTATIONS = ("none", "z", "so3")


@dataclass(frozen=True)
class Augmentation:
    """Drops, turns, scales, disturbs and shifts points at random, in this order; the default does nothing.

    Args:
        rotation: "none"; "z", about the axis that points up; "so3", any rotation, all alike.
        up: the axis of "z": "x", "y" or "z".
        scale: lowest and highest of the factor, uniform between them, one for all axes.
        shift: each axis moves by a number uniform in ±shift.
        jitter: standard deviation of the normal noise of every coordinate.
        jitter_clip: the noise is cut at ± this.
        dropout: probability of each point to be left out; one point stays in any case.

    Raises:
        InputError: if a setting is out of its range.

    Example:
        >>> augmentation = Augmentation(rotation="so3", scale=(0.8, 1.25))
        >>> len(augmentation(Cloud(np.zeros((5, 3), np.float32)), np.random.default_rng(0)))
        5
    """

    rotation: str = "none"
    up: str = "z"
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    jitter: float = 0.0
    jitter_clip: float = 0.05
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rotation not in ROTATIONS:
            raise InputError(f"rotation: found {self.rotation!r}, {nearest(str(self.rotation), ROTATIONS)}")
        if self.up not in AXES:
            raise InputError(f"up: found {self.up!r}, expected one of {', '.join(AXES)}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] < np.inf:
            raise InputError(f"scale: found {self.scale}, expected two numbers, 0 < lowest <= highest")
        for name in ("shift", "jitter", "jitter_clip"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name}: found {getattr(self, name)}, expected 0 or more")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: found {self.dropout}, expected at least 0 and less than 1")

    def __call__(self, cloud: Cloud, random: np.random.Generator) -> Cloud:
        """The cloud, changed. Normals turn with their points; features and labels stay with theirs.

        Args:
            cloud: usually within the unit sphere.
            random: source of randomness.
        """
        if self.dropout:
            kept = random.random(len(cloud)) >= self.dropout
            cloud = cloud.take(np.flatnonzero(kept) if kept.any() else random.integers(len(cloud), size=1))
        points = cloud.points.astype(np.float64)
        normals = cloud.normals
        if self.rotation != "none":
            draw_so3 = self.rotation == "so3"
            turn = (uniform_rotations(1, random) if draw_so3 else axis_rotations(1, random, self.up))[0]
            points = points @ turn.T
            normals = None if normals is None else (normals @ turn.T).astype(np.float32)
        if self.scale != (1, 1):
            points *= random.uniform(*self.scale)
        if self.jitter:
            noise = self.jitter * random.standard_normal(points.shape)
            points += np.clip(noise, -self.jitter_clip, self.jitter_clip)
        if self.shift:
            points += random.uniform(-self.shift, self.shift, 3)
        return Cloud(points.astype(np.float32), normals, cloud.features, cloud.labels, cloud.origin, cloud.remarks)
