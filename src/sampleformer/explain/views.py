"""How samples of each kind are shown. A new kind is one more entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.explain.cloud_map import cloud_map, plain_cloud
from sampleformer.explain.explanation import Explanation
from sampleformer.explain.graph_map import graph_map, plain_graph
from sampleformer.explain.image_map import average_map, image_map, plain_image
from sampleformer.explain.molecule_map import molecule_map, plain_molecule
from sampleformer.explain.number_map import average_bars, number_map, plain_numbers
from sampleformer.explain.strips import pooling_strip, strips
from sampleformer.explain.text_map import plain_text, text_map


@dataclass(frozen=True)
class View:
    """How samples of one kind are shown.

    Args:
        one: what a token is called.
        many: what several tokens are called.
        suits: whether a sample is of this kind.
        chosen: the choice map of a sample, given the heads that the strongest mark in a text stands for.
        plain: the sample without marks: where all is chosen, marks say nothing.
        average: what was chosen of several samples of one form, given the shares of each. None: their tokens do not
            stand for the same things.
        picks_pooling: the reader can pick the pooling weights in the place of a layer.
    """

    one: str
    many: str
    # Any below is an Explanation that has what its kind needs, which `suits` has seen to.
    suits: Callable[[Explanation], bool]
    chosen: Callable[[Any, int], str]
    plain: Callable[[Any], str]
    average: Callable[[Any, list[np.ndarray]], str] | None = None
    picks_pooling: bool = False


def view_of(explanation: Explanation) -> View:
    """How a sample is shown."""
    return next(view for view in _VIEWS if view.suits(explanation))


def _text(shown: Explanation, most: int) -> str:
    return text_map(shown.pieces, shown.source, shown.choices, most) + strips(shown.choices, shown.pooling)


def _plain_text(shown: Explanation) -> str:
    return plain_text(shown.pieces, shown.source) + pooling_strip(shown.pooling)


def _molecule(one: str, many: str, suits: Callable[[Explanation], bool]) -> View:
    return View(
        one,
        many,
        suits,
        chosen=lambda shown, _: molecule_map(shown.molecule, shown.choices, shown.pooling),
        plain=lambda shown: plain_molecule(shown.molecule, shown.pooling),
        picks_pooling=True,
    )


def _graph(one: str, many: str, suits: Callable[[Explanation], bool]) -> View:
    return View(
        one,
        many,
        suits,
        chosen=lambda shown, _: graph_map(shown.names, shown.pieces, shown.ends, shown.choices, shown.pooling),
        plain=lambda shown: plain_graph(shown.names, shown.pieces, shown.ends, shown.pooling),
        picks_pooling=True,
    )


# The first that suits is taken.
_VIEWS = [
    _molecule("atom or bond", "atoms and bonds", lambda shown: shown.molecule is not None and shown.has_edge_tokens),
    _molecule("atom", "atoms", lambda shown: shown.molecule is not None),
    _graph("node or edge", "nodes and edges", lambda shown: shown.ends is not None and shown.has_edge_tokens),
    _graph("node", "nodes", lambda shown: shown.ends is not None),
    View(
        "point",
        "points",
        suits=lambda shown: shown.coordinates is not None,
        chosen=lambda shown, _: cloud_map(shown.coordinates, shown.choices, shown.pooling),
        plain=lambda shown: plain_cloud(shown.coordinates, shown.pooling),
        picks_pooling=True,
    ),
    View(
        "pixel",
        "pixels",
        suits=lambda shown: shown.layout is not None,
        chosen=lambda shown, _: image_map(shown.values, shown.layout, shown.choices, shown.pooling),
        plain=lambda shown: plain_image(shown.values, shown.layout, shown.pooling),
        average=lambda shown, shares: average_map(shown.layout, shares),
    ),
    View(
        "column",
        "columns",
        suits=lambda shown: shown.values is not None,
        chosen=lambda shown, _: number_map(shown.pieces, shown.values, shown.choices, shown.pooling),
        plain=lambda shown: plain_numbers(shown.pieces, shown.values, shown.pooling),
        average=lambda shown, shares: average_bars(shown.pieces, shares),
    ),
    View("token", "tokens", suits=lambda shown: True, chosen=_text, plain=_plain_text),
]
