"""Points in space as a picture: what a page shows of a cloud without its script."""

import numpy as np
from jaxtyping import Float, Int, UInt8

from sampleformer.explain.png import blend

TURN = 35.0
"""Degrees by which the view is turned about the upright axis, z."""

TILT = 20.0
"""Degrees from which the view looks down."""

CAMERA = 4.0
"""Distance of the eye from the middle, in radii of the cloud."""

UNCHOSEN = ((226, 229, 233), (180, 186, 194))
"""Colours of points that no head chose, far and near."""

CHOSEN = ((116, 166, 214), (8, 42, 96))
"""Colours of points that few and most heads chose. All are darker, and drawn larger, than points not chosen."""

LARGER = 1.35
"""Size of a chosen point, in sizes of the others."""

FILL = 0.46
"""Radius of the cloud in sides of the picture."""


def unit_ball(coordinates: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """The cloud in the middle of a ball of radius 1 that it just fills."""
    if not len(coordinates):
        return coordinates
    centred = coordinates - (coordinates.min(axis=0) + coordinates.max(axis=0)) / 2
    radius = float(np.sqrt((centred**2).sum(axis=1)).max())
    return centred / radius if radius > 0 else centred


def point_radius(points: int) -> float:
    """Radius of a point in sides of the picture: smaller where there are many."""
    return float(np.clip(0.24 / np.sqrt(max(points, 1)), 0.0034, 0.014))


def project(places: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Places in the picture, from -1 to 1 and upwards, and how near each point is, from -1 to 1.

    Example:
        >>> near = project(np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]))[1]
        >>> bool(near[0] > near[1])
        True
    """
    turn, tilt = np.radians(TURN), np.radians(TILT)
    across = np.cos(turn) * places[:, 0] - np.sin(turn) * places[:, 1]
    away = np.sin(turn) * places[:, 0] + np.cos(turn) * places[:, 1]
    up = np.cos(tilt) * places[:, 2] + np.sin(tilt) * away
    near = np.sin(tilt) * places[:, 2] - np.cos(tilt) * away
    return np.stack([across, up], axis=1) * (CAMERA / (CAMERA - near))[:, None], near


def point_colours(levels: Float[np.ndarray, " n"], near: Float[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 3"]:
    """Blue by level where chosen, else grey by how near the point is."""
    return np.where(levels[:, None] > 0, blend(levels, *CHOSEN), blend((near + 1) / 2, *UNCHOSEN))


def cloud_picture(
    places: Float[np.ndarray, "n 3"], levels: Float[np.ndarray, " n"], side: int
) -> UInt8[np.ndarray, "side side 3"]:
    """The cloud from the first point of view, near points before far ones.

    Args:
        places: of the points, within the unit ball.
        levels: how dark each point is, from 0, not chosen, to 1.
        side: of the picture in pixels.
    """
    flat, near = project(places)
    order = np.argsort(near, kind="stable")
    colours = point_colours(levels, near)
    radius = point_radius(len(places)) * side * np.where(levels > 0, LARGER, 1.0) * CAMERA / (CAMERA - near)
    reach = int(np.ceil(radius.max(initial=0))) + 1
    offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    middle = np.stack([side / 2 - flat[:, 1] * FILL * side, side / 2 + flat[:, 0] * FILL * side], axis=1)
    pixels: Int[np.ndarray, "n offsets 2"] = np.floor(middle).astype(np.int64)[:, None] + offsets
    inside = ((pixels + 0.5 - middle[:, None]) ** 2).sum(axis=-1) <= (radius**2)[:, None]
    inside &= ((pixels >= 0) & (pixels < side)).all(axis=-1)
    point, offset = np.nonzero(inside[order])
    picture = np.full((side, side, 3), 255, dtype=np.uint8)
    rows, columns = pixels[order][point, offset].T
    picture[rows, columns] = colours[order][point]  # of several colours for a pixel the last, the nearest, stays
    return picture
