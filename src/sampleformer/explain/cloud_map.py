"""The choice map of a point cloud: points that can be turned, coloured by how many heads chose them."""

import base64

import numpy as np
from jaxtyping import Float, Int

from sampleformer.explain import cloud_picture as picture
from sampleformer.explain.choices import Choices
from sampleformer.explain.drawing import marks_data
from sampleformer.explain.html import inline_json
from sampleformer.explain.png import png_address
from sampleformer.explain.strips import pooling_strip, strips
from sampleformer.wording import count, percent

SHOWN = 4096
"""Points of one cloud that a page shows."""

_PIXELS = 640
_STEPS = 32767  # coordinates are sent to the script as whole numbers of two bytes


def cloud_map(
    coordinates: Float[np.ndarray, "n 3"], choices: Choices, pooling: Float[np.ndarray, " n"] | None = None
) -> str:
    """The cloud with chosen points coloured, and the choices of every head for the page's script.

    Args:
        coordinates: of the points.
        choices: of every layer and head.
        pooling: weight of each point in the answer; None: not known.
    """
    if len(coordinates) != choices.length:
        raise ValueError(f"{len(coordinates)} points, expected the {choices.length} of the choices")
    shown = _shown(len(coordinates))
    seen = Choices(choices.chosen[:, :, shown], choices.extra)
    most, heads = int(seen.counts.max(initial=0)), choices.voters
    words = f"chosen by none (grey) to {most} (darkest) of {heads} heads, all layers together"
    weights = None if pooling is None else pooling[shown]
    return (
        _figure(coordinates[shown], seen.counts / max(most, 1), words, len(coordinates))
        + marks_data("cloud", seen, weights, "points", "grey")
        + strips(choices, pooling, "point")
    )


def plain_cloud(coordinates: Float[np.ndarray, "n 3"], pooling: Float[np.ndarray, " n"] | None = None) -> str:
    """The cloud without choices, coloured by the pooling weights where they are known."""
    shown = _shown(len(coordinates))
    if pooling is None:
        return _figure(coordinates[shown], np.zeros(len(shown)), "", len(coordinates))
    most = float(pooling[shown].max(initial=0))
    words = f"pooling weights: none (grey) to {percent(most)} (darkest)"
    levels = pooling[shown] / max(most, 1e-12)
    return _figure(coordinates[shown], levels, words, len(coordinates)) + pooling_strip(pooling, "point")


def _shown(points: int) -> Int[np.ndarray, " shown"]:
    """All points, or of many as many as can be shown, evenly from the first to the last."""
    return np.arange(points) if points <= SHOWN else np.arange(SHOWN) * points // SHOWN


def _figure(coordinates: Float[np.ndarray, "n 3"], levels: Float[np.ndarray, " n"], words: str, points: int) -> str:
    places = picture.unit_ball(np.asarray(coordinates, dtype=np.float64))
    alt = f"{count(points, 'point')} in space"
    still = png_address(picture.cloud_picture(places, levels, _PIXELS))
    view = f"<span class=view>{words}</span> " if words else ""
    note = ""
    if len(places) < points:
        note = (
            f"<p class='note'>{len(places):,} of {count(points, 'point')} are drawn. All figures, and the strips "
            "below, are over all of them.</p>\n"
        )
    return (
        f"<figure class='map cloud'><img alt='{alt}' src='{still}'>"
        f"<canvas hidden tabindex='0' role='img' aria-label='{alt}: arrow keys turn them, plus and minus zoom, "
        "0 goes back'></canvas>"
        f"<figcaption>{view}<span class='hint' hidden>Drag to turn, click and then wheel or pinch to zoom; or the "
        "arrow keys, + and −, and 0 to go back.</span></figcaption></figure>\n"
        f"{note}{_script_data(places, levels)}"
    )


def _script_data(places: Float[np.ndarray, "n 3"], levels: Float[np.ndarray, " n"]) -> str:
    """What the script needs to draw the same picture from any side."""
    steps = np.rint(places * _STEPS).astype("<i2")
    data = {
        "points": base64.b64encode(steps.tobytes()).decode("ascii"),
        "levels": [float(f"{level:.3g}") for level in levels] if levels.any() else [],
        "turn": picture.TURN,
        "tilt": picture.TILT,
        "camera": picture.CAMERA,
        "fill": picture.FILL,
        "radius": picture.point_radius(len(places)),
        "larger": picture.LARGER,
        "chosen": picture.CHOSEN,
        "unchosen": picture.UNCHOSEN,
    }
    return f'<script type="application/json" class="points">{inline_json(data)}</script>\n'
