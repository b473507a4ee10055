"""The choice map of a row of numbers: every column with how often, and by which heads, it was chosen."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sampleformer.explain.choices import Choices
from sampleformer.explain.html import details, escape, table
from sampleformer.explain.outcome import bar
from sampleformer.explain.strips import pooling_strip, strips
from sampleformer.explain.text_map import choices_data
from sampleformer.wording import amount, count, percent

ROWS = 40
"""Columns of one sample that a page lists."""

_AVERAGE_ROWS = 20
_POINTS = 640
_HEADS_SHOWN = 64


def number_map(
    pieces: Sequence[str],
    values: Float[np.ndarray, "n channels"],
    choices: Choices,
    pooling: Float[np.ndarray, " n"] | None = None,
) -> str:
    """The columns of one sample, each with its value and a bar of how many heads chose it.

    Args:
        pieces: of each column: "name = value", or the value alone.
        values: of each column, as the model reads them.
        choices: of every layer and head.
        pooling: weight of each column in the answer; None: not known.
    """
    heads = choices.voters
    shown = _most_chosen(choices.share, ROWS)
    dots = heads <= _HEADS_SHOWN
    head = ["column", "value", "chosen by", ""] + (_layer_titles(choices) if dots else [])
    head += [] if pooling is None else ["pooling"]
    rows = [
        [
            *_name_and_value(pieces, token),
            bar(float(choices.share[token])),
            f"<span class='times'>{choices.counts[token]} of {heads}</span>",
            *(_dots(choices, token) if dots else []),
            *([] if pooling is None else [percent(float(pooling[token]))]),
        ]
        for token in shown
    ]
    body = f"<div class='map numbers'>{table(head, rows, kind='columns')}</div>\n"
    if dots:
        body += "<p class='note'>One sign a head: ● chosen, ○ not chosen; head 1 on the left.</p>\n"
    if len(shown) < len(pieces):
        title = f"The {len(shown)} most chosen of {count(len(pieces), 'column')}"
        body = _line(values) + strips(choices, pooling, "column") + details(title, body)
    elif not dots:
        body += strips(choices, pooling, "column")
    return body + choices_data(choices.chosen[:, :, shown], {"kind": "numbers"})


def plain_numbers(
    pieces: Sequence[str], values: Float[np.ndarray, "n channels"], pooling: Float[np.ndarray, " n"] | None = None
) -> str:
    """The columns and their values, without choices."""
    rows = [
        [*_name_and_value(pieces, token), *([] if pooling is None else [percent(float(pooling[token]))])]
        for token in range(min(ROWS, len(pieces)))
    ]
    head = ["column", "value", *([] if pooling is None else ["pooling"])]
    rest = len(pieces) - len(rows)
    body = table(head, rows, kind="columns")
    if rest == 0:
        return body
    note = f"<p class='note'>{count(rest, 'more column')} left out.</p>\n"
    return _line(values) + body + note + pooling_strip(pooling, "column")


def _name_and_value(pieces: Sequence[str], token: int) -> tuple[str, str]:
    """Name and value of a column as HTML; a column without a name is called by its place."""
    name, _, value = pieces[token].rpartition(" = ")
    return escape(name or f"{token + 1}"), escape(value)


def average_bars(pieces: Sequence[str], shares: list[np.ndarray]) -> str:
    """How often each column was chosen, over several samples."""
    mean = np.mean(shares, axis=0)
    shown = _most_chosen(mean, _AVERAGE_ROWS)
    rows = [
        [_name_and_value(pieces, token)[0], bar(float(mean[token])), percent(float(mean[token]))] for token in shown
    ]
    note = ""
    if len(shown) < len(pieces):
        note = f"<p class='note'>The {len(shown)} most chosen of {count(len(pieces), 'column')}, in their order.</p>\n"
    return table(["column", "share of the heads that chose it", ""], rows, kind="columns") + note


def _most_chosen(share: Float[np.ndarray, " n"], rows: int) -> list[int]:
    """The tokens that were chosen most, in their own order."""
    return sorted(int(token) for token in np.argsort(-share, kind="stable")[:rows])


def _layer_titles(choices: Choices) -> list[str]:
    return [f"layer {layer + 1}" for layer in range(choices.layers)]


def _dots(choices: Choices, token: int) -> list[str]:
    return [
        "<span class='dots'>" + "".join("●" if chosen else "○" for chosen in layer[:, token]) + "</span>"
        for layer in choices.chosen
    ]


def _line(values: Float[np.ndarray, "n channels"]) -> str:
    """The values as a line as wide as the strips below it, for rows with many columns."""
    series = np.nan_to_num(values.mean(axis=1))  # a gap is drawn at the mean
    places = np.unique(np.linspace(0, len(series) - 1, min(len(series), _POINTS)).astype(np.int64))
    low, high = float(series.min()), float(series.max())
    height = (high - series[places]) / (high - low) if high > low else np.full(len(places), 0.5)
    points = " ".join(
        f"{1000 * (place + 0.5) / len(series):.1f},{4 + 92 * top:.1f}"
        for place, top in zip(places, height, strict=True)
    )
    return (
        "<figure class='strips line'><div><span>values</span>"
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="values from '
        f'{amount(low)} to {amount(high)}"><polyline points="{points}"/></svg></div>'
        f"<figcaption>values as the model reads them, from {amount(low)} (bottom) to {amount(high)} (top)</figcaption>"
        "</figure>\n"
    )
