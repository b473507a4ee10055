"""Random rotations of space."""

import numpy as np

from sampleformer.errors import InputError

AXES = ("x", "y", "z")


def uniform_rotations(count: int, random: np.random.Generator) -> np.ndarray:
    """Rotations drawn from the uniform (Haar) distribution on SO(3).

    Four independent standard normals, brought to unit length, are a uniform unit quaternion (w, x, y, z), whose
    rotation is uniform.

    Args:
        count: number of rotations.
        random: source of randomness.

    Returns:
        (count, 3, 3) float64; a rotation R turns the points in rows by ``points @ R.T``.

    Source: Shoemake 1992, "Uniform Random Rotations", Graphics Gems III.

    Example:
        >>> turn = uniform_rotations(1, np.random.default_rng(0))[0]
        >>> np.allclose(turn @ turn.T, np.eye(3)), round(float(np.linalg.det(turn)), 6)
        (True, 1.0)
    """
    quaternions = random.standard_normal((count, 4))
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def axis_rotations(count: int, random: np.random.Generator, axis: str = "z") -> np.ndarray:
    """Rotations about one axis, by angles uniform over the circle.

    Args:
        count: number of rotations.
        random: source of randomness.
        axis: what stays as it is, usually the one that points up: "x", "y" or "z".

    Returns:
        (count, 3, 3) float64, as `uniform_rotations`.

    Raises:
        InputError: if there is no such axis.

    Example:
        >>> axis_rotations(1, np.random.default_rng(0), axis="y")[0][:, 1]
        array([0., 1., 0.])
    """
    if axis not in AXES:
        raise InputError(f"axis: found {axis!r}, expected one of {', '.join(AXES)}")
    angles = random.uniform(0, 2 * np.pi, count)
    up = AXES.index(axis)
    first, second = (up + 1) % 3, (up + 2) % 3
    result = np.zeros((count, 3, 3))
    result[:, up, up] = 1
    result[:, first, first] = result[:, second, second] = np.cos(angles)
    result[:, second, first] = np.sin(angles)
    result[:, first, second] = -np.sin(angles)
    return result
