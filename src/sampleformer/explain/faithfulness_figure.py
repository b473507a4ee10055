"""The drop of the score over the number of deleted tokens, as a figure and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from sampleformer.explain.faithfulness import STEPS, Faithfulness, mean_of_known
from sampleformer.explain.figures import BLUE, ORANGE, inline_svg, panels, style
from sampleformer.explain.html import details, escape, table
from sampleformer.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Does the answer hang on the chosen ones?"
NOTHING = "<p class='note'>Nothing was deleted: all was chosen equally often, so there is nothing to compare.</p>\n"


def faithfulness_section(found: Faithfulness, name: str, many: str, heading: str) -> str:
    """The figure of one sample, its meaning and its numbers.

    Args:
        found: Of the sample.
        name: What tells the figure from others of the page.
        many: What several tokens are called.
        heading: HTML element of the heading: "h3".
    """
    draws = len(found.random)
    with style(f"faithfulness {name}"):
        figure, (axes,) = panels()
        _line(axes, found.numbers, found.chosen, BLUE, "-", "chosen")
        _line(axes, found.numbers, found.random, ORANGE, "--", "random")
        axes.set_xlabel(f"{many} deleted")
        axes.set_ylabel("drop of the score")
        axes.set_xlim(left=0)
        axes.legend()
        drawing = inline_svg(figure, f"Drop of the score over {many} deleted, chosen and random ones")
    words = (
        f"<p>{_words(found.drop, found.of_chosen, found.of_random)}, mean over {STEPS} deletions of "
        f"1 to {count(int(found.numbers[-1]), many, many)} and {count(draws, 'draw')}.</p>\n"
    )
    return f"<{heading}>{TITLE}</{heading}>\n{words}<div class='figures'><figure>{drawing}</figure></div>\n" + details(
        "In numbers", _numbers(found, many)
    )


def faithfulness_summary(
    found: Sequence[Faithfulness], name: str, many: str, span: tuple[float, float] | None = None
) -> str:
    """The figure of several samples together, over the share of the chosen tokens that are deleted.

    Args:
        found: Of each sample; at least one.
        name: What tells the figure from others of the page.
        many: What several tokens are called.
        span: Drops from which and to which the figure goes, for figures to compare. None: those that there are.
    """
    shares = 100 * np.arange(1, STEPS + 1) / STEPS
    chosen, random = _by_sample(found)
    with style(f"faithfulness of all {name}"):
        figure, (axes,) = panels()
        for values, colour, dashes, label in ((chosen, BLUE, "-", "chosen"), (random, ORANGE, "--", "random")):
            _line(axes, shares, values, colour, dashes, label, band=False)
        axes.set_xlabel("% of the chosen ones deleted, or as many others")
        axes.set_ylabel("drop of the score")
        axes.set_xlim(left=0)
        if span is not None:
            axes.set_ylim(*span)
        axes.legend()
        drawing = inline_svg(figure, f"Mean drop of the score over the share of the chosen {many} that are deleted")
    means = [(each.of_chosen, each.of_random) for each in found]
    larger = sum(of_chosen > of_random for of_chosen, of_random in means)
    of_chosen, of_random = (float(mean_of_known(np.array(values), None)) for values in zip(*means, strict=True))
    words = (
        f"<p>{_words(found[0].drop, of_chosen, of_random)}, mean over {count(len(found), 'sample')}. Chosen {many} "
        f"cost more than random ones in {larger:,} of {len(found):,}.</p>\n"
    )
    return f"{words}{_HOW}<div class='figures'><figure>{drawing}</figure></div>\n"


def span_of(found: Sequence[Sequence[Faithfulness]]) -> tuple[float, float]:
    """The drops that the figures of several models together have, with a margin."""
    means = [mean_of_known(drops, 0) for each in found for drops in _by_sample(each)]
    least, largest = min(0.0, *(np.nanmin(mean) for mean in means)), max(*(np.nanmax(mean) for mean in means), 0.0)
    margin = 0.05 * max(largest - least, 1e-6)
    return float(least - margin), float(largest + margin)


def _by_sample(found: Sequence[Faithfulness]) -> tuple[np.ndarray, np.ndarray]:
    """The drops of each sample, without chosen tokens and without random ones."""
    chosen = np.stack([mean_of_known(each.chosen, 0) for each in found])
    return chosen, np.stack([mean_of_known(each.random, 0) for each in found])


_HOW = (
    "<p class='note'>What most heads chose is deleted first; as many random ones, of the same kinds, show what any "
    "deletion costs. The model is the one that chose: simple models beside it, and descriptors of the whole sample, "
    "lose nothing. Where both lines lie together, the choice is no reason for the answer.</p>\n"
)


def _words(drop: str, of_chosen: float, of_random: float) -> str:
    words = escape(f"{drop[:1].upper()}{drop[1:]}")
    drops = f"<b>{_rounded(of_chosen)}</b> without chosen ones, <b>{_rounded(of_random)}</b> without random ones"
    return f"{words}: {drops}"


def _line(
    axes: Axes,
    numbers: np.ndarray,
    drops: Float[np.ndarray, "draws steps"],
    colour: str,
    dashes: str,
    label: str,
    *,
    band: bool = True,
) -> None:
    """The mean of the draws from no deletion on, and a band from the least to the largest of them."""
    places = np.concatenate([[0], numbers])
    axes.plot(
        places, [0.0, *mean_of_known(drops, 0)], color=colour, linestyle=dashes, marker="o", markersize=3.5, label=label
    )
    if band:
        least = np.where(np.isnan(drops), np.inf, drops).min(0)
        largest = np.where(np.isnan(drops), -np.inf, drops).max(0)
        known = np.concatenate([[True], np.isfinite(least)])
        axes.fill_between(
            places, [0.0, *least], [0.0, *largest], where=known.tolist(), color=colour, alpha=0.15, linewidth=0
        )


def _numbers(found: Faithfulness, many: str) -> str:
    rows = [
        [f"{deleted:,}", _rounded(chosen), _rounded(random)]
        for deleted, chosen, random in zip(
            found.numbers.tolist(), mean_of_known(found.chosen, 0), mean_of_known(found.random, 0), strict=True
        )
    ]
    return table([f"{many} deleted", "drop, chosen", "drop, random"], rows)


def _rounded(value: float) -> str:
    """A drop with three decimals and a true minus; a dash where nothing was left to be asked about."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")
