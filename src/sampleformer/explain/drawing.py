"""A graph drawn in the plane, with its chosen nodes and edges marked: molecules and general graphs alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sampleformer.explain.choices import Choices
from sampleformer.explain.edge_paths import edge_paths
from sampleformer.explain.html import escape
from sampleformer.explain.strips import strips
from sampleformer.explain.text_map import choices_data
from sampleformer.wording import count, percent

_EDGE = 0.75  # width of the mark of an edge, in radii of a node …
_THINNEST = 5.0  # … but no less than these pixels


@dataclass(frozen=True)
class Drawing:
    """A graph drawn in the plane.

    Token ``i`` is node ``i``, token ``n + e`` is edge ``e``; a model that reads the nodes alone has no edge tokens.

    Args:
        lines: SVG that lies below the marks of the nodes.
        letters: SVG that lies above all marks.
        size: width and height in pixels; positions are in the same unit.
        positions: of the nodes, shape ``(n, 2)``.
        ends: places of the two nodes of each edge, shape ``(E, 2)``.
        radius: of the mark of a node, in pixels.
        kinds: what one node and one edge are called.
        names: of the nodes, then of the edges, ``n + E`` plain texts.
        title: what is drawn, plain text.
        caption: HTML below the drawing.
    """

    lines: str
    letters: str
    size: tuple[float, float]
    positions: Float[np.ndarray, "n 2"]
    ends: Int[np.ndarray, "edges 2"]
    radius: float
    kinds: tuple[str, str]
    names: Sequence[str]
    title: str
    caption: str = ""

    def marked(self, choices: Choices, pooling: Float[np.ndarray, " tokens"] | None) -> str:
        """The drawing with marks as dark as many heads chose, and the choices of every head for the page's script.

        Args:
            choices: of every layer and head, over the nodes or over nodes and edges.
            pooling: weight of each token in the answer; None: not known.
        """
        heads = choices.voters
        most = int(choices.counts.max(initial=0))
        words = f"chosen by none (no mark) to {most} (darkest) of {heads} heads, all layers together"
        facts = [f"chosen by {number} of {heads}" for number in choices.counts]
        many = " and ".join(f"{kind}s" for kind in self.kinds[: 1 + (choices.length > len(self.positions))])
        return (
            self._figure(choices.counts.astype(np.float64), facts, words)
            + marks_data("drawing", choices, pooling, many, "no mark")
            + graph_strips(choices, pooling, len(self.positions), self.kinds)
        )

    def plain(self, pooling: Float[np.ndarray, " tokens"] | None) -> str:
        """The drawing without choices; marks are the pooling weights, where they are known.

        Args:
            pooling: weight of each token in the answer; None: not known.
        """
        if pooling is None:
            return self._figure(np.zeros(0), [], "")
        words = f"pooling weights: none (no mark) to {percent(float(pooling.max(initial=0)))} (darkest)"
        return self._figure(pooling, [f"weight {percent(float(weight))}" for weight in pooling], words)

    def _figure(self, strengths: Float[np.ndarray, " tokens"], facts: Sequence[str], words: str) -> str:
        if len(strengths) not in (0, len(self.positions), len(self.names)):
            raise ValueError(
                f"{len(strengths)} tokens, expected {len(self.positions)} nodes or {len(self.names)} nodes and edges"
            )
        rim = self.radius + 2  # the marks of the outermost nodes need room
        width, height = (side + 2 * rim for side in self.size)
        levels = strengths / max(float(strengths.max(initial=0)), 1e-12)
        edge_marks, node_marks = self._marks(levels, facts)
        view = f"<span class=view>{words}</span>" if words else ""
        return (
            "<figure class='map drawing'><div class='wide'>"
            f'<svg viewBox="{-rim:.0f} {-rim:.0f} {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
            f'aria-label="{escape(self.title)}">\n'
            f'<g class="marks edges" stroke-width="{max(_EDGE * self.radius, _THINNEST):.1f}">\n{edge_marks}</g>\n'
            f'<g class="lines">\n{self.lines}</g>\n'
            f'<g class="marks nodes">\n{node_marks}</g>\n'
            f'<g class="lines">\n{self.letters}</g>\n'
            f"</svg></div><figcaption>{view}{self.caption}</figcaption></figure>\n"
        )

    def _marks(self, levels: Float[np.ndarray, " tokens"], facts: Sequence[str]) -> tuple[str, str]:
        """The marks of the edges and of the nodes, each in their order: the page's script finds them by their place."""
        nodes = len(self.positions)
        shapes = [f'circle cx="{x:.1f}" cy="{y:.1f}" r="{self.radius:.1f}"' for x, y in self.positions]
        shapes += [f'path d="{path}"' for path in edge_paths(self.positions, self.ends, self.radius)]
        marks = [
            f'<{shape} style="--level:{level:.3g}"><title>{escape(name)}: {fact}</title></{shape.split()[0]}>\n'
            for shape, level, name, fact in zip(shapes, levels, self.names, facts, strict=False)
        ]
        return "".join(marks[nodes:]), "".join(marks[:nodes])


def graph_strips(
    choices: Choices, pooling: Float[np.ndarray, " tokens"] | None, nodes: int, kinds: tuple[str, str]
) -> str:
    """The strips of a graph: its nodes, then its edges.

    Args:
        choices: of every layer and head.
        pooling: weight of each token in the answer; None: not known.
        nodes: their number.
        kinds: what one node and one edge are called.
    """
    node, edge = kinds
    if choices.length == nodes:
        return strips(choices, pooling, node)
    order = f"{count(nodes, node)} (left), then {count(choices.length - nodes, edge)}"
    return strips(choices, pooling, f"{node} or {edge}", f"{node}s and {edge}s", order)


def marks_data(kind: str, choices: Choices, pooling: Float[np.ndarray, " n"] | None, many: str, unmarked: str) -> str:
    """The choices and pooling weights as data for the page's script.

    Args:
        kind: ``drawing`` or ``cloud``, how the script shows them.
        choices: of every layer and head, over the tokens that are shown.
        pooling: weight of each of these tokens in the answer; None: not known.
        many: what several tokens are called.
        unmarked: how a token looks that was not chosen.
    """
    data: dict[str, object] = {"kind": kind, "length": choices.length, "many": many, "unmarked": unmarked}
    if pooling is not None:
        data["pooling"] = [float(f"{weight:.4g}") for weight in pooling]
    return choices_data(choices.chosen, data)
