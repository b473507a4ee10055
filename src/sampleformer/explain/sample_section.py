"""One sample on a page: prediction and truth, what was chosen in numbers, and the choice map."""

import numpy as np

from sampleformer.explain.explanation import Explanation
from sampleformer.explain.faithfulness_figure import faithfulness_section
from sampleformer.explain.html import details, escape, table
from sampleformer.explain.influences import influence_table
from sampleformer.explain.outcome import Outcome
from sampleformer.explain.strips import layer_table, nothing_chosen
from sampleformer.explain.views import View, view_of
from sampleformer.wording import count, percent

_LAYER_COLUMNS = ["layer", "chosen by one head", "by any head", "by every head", "overlap", "nothing"]
_LAYER_NOTE = (
    "<p class='note'>Overlap: for two heads of the layer, the tokens that both chose over those that either chose, "
    "mean over all pairs. Nothing: learned extra tokens that the heads chose in the place of tokens of the "
    "sample.</p>\n"
)


def sample_section(explanation: Explanation, title: str, most: int, heading: int = 2) -> str:
    """The section of one sample.

    Args:
        explanation: of the sample.
        title: plain text.
        most: heads that the strongest mark in a text stands for.
        heading: Level of the title.
    """
    below = f"h{heading + 1}"
    choices, view = explanation.choices, view_of(explanation)
    facts = explanation.outcome.probabilities() + _figures(explanation, view)
    body = f"{explanation.outcome.line()}<div class='facts'>{facts}</div>\n"
    if choices.length == 0:
        body += "<p class='note'>No tokens: the model answers from its bias alone.</p>\n"
    elif not choices.everything:
        body += _silent_layers(explanation, view) + view.chosen(explanation, most)
        body += details("Layer by layer", table(_LAYER_COLUMNS, layer_table(choices)) + _LAYER_NOTE)
    else:
        body += (
            f"<p class='note'>Every head of every layer attends to every {view.one}: there is no choice to show.</p>\n"
            f"{view.plain(explanation)}"
        )
    if explanation.faithfulness is not None:
        body += faithfulness_section(explanation.faithfulness, f"{explanation.id} {title}", view.many, below)
    outcome = explanation.outcome
    shown = outcome.foremost if isinstance(outcome, Outcome) else None
    body += influence_table(explanation.influences, explanation.outputs, shown, heading=below)
    body += influence_table(explanation.runs, explanation.outputs, shown, "words", heading=below)
    return f'<section class="sample">\n<h{heading}>{escape(title)}</h{heading}>\n{body}</section>\n'


def _silent_layers(explanation: Explanation, view: View) -> str:
    """A word about layers of which no mark can be seen."""
    choices = explanation.choices
    silent = [layer for layer in range(choices.layers) if not choices.chosen[layer].any()]
    return "".join(
        f"<p class='note'>Layer {layer + 1}: {escape(nothing_chosen(choices, layer, view.one))}.</p>\n"
        for layer in silent
    )


def _figures(explanation: Explanation, view: View) -> str:
    """How much was chosen."""
    choices = explanation.choices
    if choices.length == 0:
        return ""
    chosen = choices.chosen[choices.attending].sum(axis=-1)
    fewest, most = int(chosen.min()), int(chosen.max())
    numbers = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    rows = [
        [view.many, f"{choices.length:,}"],
        ["chosen by one head", f"{numbers} ({percent(float(chosen.mean()) / choices.length)})"],
    ]
    if not choices.everything:
        never = int((choices.counts == 0).sum())
        rows.append(["chosen by no head", f"{never:,} ({percent(never / choices.length)})"])
    if choices.extra.any():
        extra = int(choices.extra.sum())
        rows.append(["choices of “nothing”", f"{extra:,} of {extra + int(chosen.sum()):,}"])
    if explanation.pooling is not None:
        heaviest = -np.sort(-explanation.pooling)
        half = int((heaviest.cumsum() < 0.5).sum()) + 1
        rows.append(["half of the pooling weight lies on", count(half, view.one, view.many)])
    return table([], rows)
