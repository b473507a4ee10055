"""What of a cloud a model sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from sampleformer.data.point_cloud.augmentation import Augmentation
from sampleformer.settings import Settings, validate


class CloudView(Settings):
    """What of a cloud a model sees, and what is done to it at random.

    Args:
        points: how many points the model sees. A cloud that has fewer is seen as it is: no point is repeated.
        stored: how many points of each cloud are kept, spread over all of it. Evaluation sees the first `points` of
            them, in farthest-point order; each pass of training draws others.
        normals: whether directions of the surface are seen; None: if all files of the training part have them.
        point_features: whether what points carry beside place and direction is seen: colours, intensity.
        normalise: "sphere": the centroid moves to the origin and the farthest point to distance one; "none".
        identifiers: random numbers of each point, for models that do not see coordinates.
        train_rotation, evaluation_rotation: "none"; "z", about the axis that points up; "so3", any rotation. The
            protocols z/z, z/SO(3) and SO(3)/SO(3) are these two. That of evaluation depends on the cloud alone.
        up: the axis that points up.
        scale, shift, jitter, jitter_clip, dropout: what training does to clouds, see `Augmentation`.
        columns: what the columns of text, NPY, NPZ and H5 files are, see `cloud_of_columns`. None: as they look.
        classes: names that the numbers of `label` in files of many clouds stand for. None: see `read_array_rows`.
        lift: of images in such files, height of the brightest pixel, see `image_clouds`.
    """

    points: int = Field(default=1024, ge=1)
    stored: int = Field(default=2048, ge=1)
    normals: bool | None = None
    point_features: bool = True
    normalise: Literal["sphere", "none"] = "sphere"
    identifiers: int = Field(default=0, ge=0, le=4096)
    train_rotation: Literal["none", "z", "so3"] = "none"
    evaluation_rotation: Literal["none", "z", "so3"] = "none"
    up: Literal["x", "y", "z"] = "z"
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    jitter: float = 0.0
    jitter_clip: float = 0.05
    dropout: float = Field(default=0.0, ge=0, lt=1)
    columns: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    lift: float = Field(default=0.0, allow_inf_nan=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> CloudView:
        """The view that settings of a source say.

        Raises:
            InputError: if a setting is unknown or out of its range.

        Example:
            >>> CloudView.of({"points": 512}).points
            512
        """
        view = validate(cls, values, "data")
        view.augmentation(training=True)
        return view

    @property
    def most(self) -> int:
        """How many points of each cloud are kept."""
        return max(self.points, self.stored)

    def augmentation(self, *, training: bool) -> Augmentation:
        """What is done to the points that were chosen; leaving some out is part of the choice."""
        if not training:
            return Augmentation(rotation=self.evaluation_rotation, up=self.up)
        return Augmentation(
            rotation=self.train_rotation,
            up=self.up,
            scale=self.scale,
            shift=self.shift,
            jitter=self.jitter,
            jitter_clip=self.jitter_clip,
        )
