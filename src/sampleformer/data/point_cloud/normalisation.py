"""Clouds of any place and size brought to one."""

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud


def unit_sphere(cloud: Cloud) -> Cloud:
    """Moves the centroid to the origin and scales the farthest point to distance one: ``(x − c) / max_i ‖x_i − c‖``.

    Points that all coincide move to the origin and are not scaled. Normals, features and labels stay, and so does
    `origin`, which then says nothing about the new coordinates.

    Args:
        cloud: any cloud.

    Example:
        >>> unit_sphere(Cloud(np.array([[1, 1, 1], [5, 1, 1]], np.float32))).points.tolist()
        [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    points = cloud.points.astype(np.float64)
    if not np.ptp(points, axis=0).any():  # a mean of equal numbers may differ from them by a rounding
        points = np.zeros_like(points)
    else:
        points -= points.mean(axis=0)
        points /= np.linalg.norm(points, axis=1).max()
    return Cloud(points.astype(np.float32), cloud.normals, cloud.features, cloud.labels, cloud.origin, cloud.remarks)
