"""Images as clouds: the ink is the points."""

from __future__ import annotations

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud

BRIGHTEST = 255
"""Value of a pixel full of ink."""


def image_clouds(images: np.ndarray, lift: float = 0.0) -> list[Cloud]:
    """A cloud for each image: a point for every pixel that is not zero, its value as a feature.

    x is the column, y the row counted from below, z the value times `lift`; the value is scaled to (0, 1], and the side
    of a pixel is one. An image without ink gives one point at its centre, with the value zero.

    Args:
        images: (images, height, width), whole numbers up to 255.
        lift: height of the brightest pixel.

    Raises:
        ValueError: if the array has another shape or kind, or other values.

    Example:
        >>> image_clouds(np.array([[[0, 255], [0, 0]]], np.uint8))[0].points.tolist()
        [[1.0, 1.0, 0.0]]
    """
    if images.ndim != 3 or images.dtype.kind not in "ui":
        found = f"{images.dtype} of shape {images.shape}"
        raise ValueError(f"image: found {found}, expected whole numbers (images, height, width)")
    if not images.size:
        raise ValueError(f"image: found shape {images.shape}, expected at least one image with a pixel")
    if images.min() < 0 or images.max() > BRIGHTEST:
        raise ValueError(f"image: found values from {images.min()} to {images.max()}, expected 0 to {BRIGHTEST}")
    height = images.shape[1]
    clouds = []
    for image in images:
        rows, columns = np.nonzero(image)
        if not len(rows):
            rows, columns = np.array([height // 2]), np.array([images.shape[2] // 2])
        values = image[rows, columns].astype(np.float32) / BRIGHTEST
        points = np.stack([columns, height - 1 - rows, lift * values], axis=1).astype(np.float32)
        clouds.append(Cloud(points, None, values[:, None]))
    return clouds
