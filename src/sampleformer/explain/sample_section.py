"""One sample on a page: prediction and truth, what was chosen in numbers, and the choice map."""

import numpy as np

from sampleformer.explain.explanation import Explanation
from sampleformer.explain.html import count, details, escape, percent, table
from sampleformer.explain.image_map import image_map, plain_image
from sampleformer.explain.number_map import number_map, plain_numbers
from sampleformer.explain.strips import layer_table, pooling_strip, strips
from sampleformer.explain.text_map import plain_text, text_map

_LAYER_COLUMNS = ["layer", "chosen by one head", "by any head", "by every head", "overlap", "nothing"]
_LAYER_NOTE = (
    "<p class='note'>Overlap: for two heads of the layer, the tokens that both chose over those that either chose, "
    "mean over all pairs. Nothing: learned extra tokens that the heads chose in the place of tokens of the "
    "sample.</p>\n"
)


def unit(explanation: Explanation) -> str:
    """What a token of this sample is called."""
    if explanation.layout is not None:
        return "pixel"
    return "token" if explanation.values is None else "column"


def sample_section(explanation: Explanation, title: str, most: int) -> str:
    """The section of one sample.

    Args:
        explanation: of the sample.
        title: plain text.
        most: heads that the strongest mark in a text stands for.
    """
    choices = explanation.choices
    facts = explanation.outcome.probabilities() + _figures(explanation)
    body = f"{explanation.outcome.line()}<div class='facts'>{facts}</div>\n"
    if choices.length == 0:
        body += "<p class='note'>No tokens: the model answers from its bias alone.</p>\n"
    elif not choices.everything:
        body += _map(explanation, most)
        body += details("Layer by layer", table(_LAYER_COLUMNS, layer_table(choices)) + _LAYER_NOTE)
    else:
        body += _everything(explanation)
    return f'<section class="sample">\n<h2>{escape(title)}</h2>\n{body}</section>\n'


def _figures(explanation: Explanation) -> str:
    """How much was chosen."""
    choices = explanation.choices
    names = unit(explanation) + "s"
    if choices.length == 0:
        return ""
    chosen = choices.chosen.sum(axis=-1)
    fewest, most = int(chosen.min()), int(chosen.max())
    numbers = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    rows = [
        [names, f"{choices.length:,}"],
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
        rows.append(["half of the pooling weight lies on", count(half, unit(explanation))])
    return table([], rows)


def _everything(explanation: Explanation) -> str:
    """The sample without marks: where all is chosen, marks say nothing."""
    name = unit(explanation)
    words = f"<p class='note'>Every head of every layer attends to every {name}: there is no choice to show.</p>\n"
    if explanation.layout is not None:
        return words + plain_image(explanation.values, explanation.layout, explanation.pooling)
    if explanation.values is not None:
        return words + plain_numbers(explanation.pieces, explanation.values, explanation.pooling)
    return words + plain_text(explanation.pieces, explanation.source) + pooling_strip(explanation.pooling)


def _map(explanation: Explanation, most: int) -> str:
    choices = explanation.choices
    if explanation.layout is not None:
        return image_map(explanation.values, explanation.layout, choices, explanation.pooling)
    if explanation.values is not None:
        return number_map(explanation.pieces, explanation.values, choices, explanation.pooling)
    return text_map(explanation.pieces, explanation.source, choices, most) + strips(choices, explanation.pooling)
