"""Strips: one row a head, one column a token, dark where the head chose it. They show a sample of any length."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from sampleformer.explain.choices import Choices
from sampleformer.explain.html import escape
from sampleformer.explain.png import heat, png_address
from sampleformer.wording import count, percent

_COLUMNS = 640
_HEAD_PIXELS = 5  # the last of them is the line between two heads
_LINE = (255, 255, 255)


def strips(
    choices: Choices,
    pooling: Float[np.ndarray, " n"] | None,
    unit: str = "token",
    units: str = "",
    order: str = "",
) -> str:
    """One strip for each layer, and one for the pooling, with what they show in words.

    Args:
        choices: of every layer and head.
        pooling: weight of each token in the answer; None: not known.
        unit: what a token is called.
        units: what several tokens are called; empty: as one, with an s.
        order: of the tokens from left to right; empty: the first to the last.
    """
    rows = "".join(_layer(choices, layer, unit, units) for layer in range(choices.layers))
    words = "in each layer one row a head, head 1 on top; dark = chosen"
    rows += "" if pooling is None else _pooling(pooling, unit)
    return _figure(rows, choices.length, units or f"{unit}s", order or _order(choices.length, unit), words)


def pooling_strip(pooling: Float[np.ndarray, " n"] | None, unit: str = "token") -> str:
    """The strip of the pooling weights alone."""
    if pooling is None:
        return ""
    order = _order(len(pooling), unit)
    return _figure(_pooling(pooling, unit), len(pooling), f"{unit}s", order, "dark = a large weight")


def _order(length: int, unit: str) -> str:
    return f"the first {unit} on the left, the last of {length:,} on the right"


def _figure(rows: str, length: int, units: str, order: str, words: str) -> str:
    few = length // _COLUMNS
    bins = f" One stroke stands for {few:,} or {few + 1:,} {units}." if length > _COLUMNS else ""
    return f"<figure class='strips'>\n{rows}<figcaption>{order}; {words}.{bins}</figcaption></figure>\n"


def _layer(choices: Choices, layer: int, unit: str, units: str) -> str:
    summary = choices.summary(layer)
    if not summary.any_head:
        return f"<div><span>layer {layer + 1}</span><i>{escape(nothing_chosen(choices, layer, unit))}</i></div>\n"
    words = f"Layer {layer + 1}: its heads together chose {summary.any_head:,} of {count(choices.length, unit, units)}"
    return _row(f"layer {layer + 1}", words, _pixels(_binned(choices.chosen[layer])))


def _pooling(weights: Float[np.ndarray, " n"], unit: str) -> str:
    means = _binned(weights[None])
    words = f"Pooling: the largest weight of one {unit} is {percent(float(weights.max()))}; dark = large"
    pixels = np.repeat(heat(means / max(float(means.max()), 1e-12)), 2 * _HEAD_PIXELS, axis=0)
    return _row("pooling", words, pixels)


def nothing_chosen(choices: Choices, layer: int, unit: str) -> str:
    """What the heads of a layer that chose no token did.

    Args:
        choices: of every layer and head.
        layer: its number, from 0.
        unit: what a token is called.
    """
    if not choices.extra[layer].any():  # a head has to choose something
        return "this layer has no attention"
    article = "an" if unit[0] in "aeiou" else "a"
    return f"no head of this layer chose {article} {unit}: all chose “nothing”, the learned extra tokens"


def _row(name: str, words: str, pixels: UInt8[np.ndarray, "rows columns 3"]) -> str:
    """A strip as wide as the page, whatever the number of its columns."""
    height = f"height:{len(pixels) * 6 // 5 + 2}px"
    picture = f'<img alt="{words}" title="{words}" style="{height}" src="{png_address(pixels)}">'
    return f"<div><span>{name}</span>{picture}</div>\n"


def _binned(values: Bool[np.ndarray, "rows n"] | Float[np.ndarray, "rows n"]) -> Float[np.ndarray, "rows columns"]:
    """Mean of the tokens of each column: the share that was chosen, or the mean weight."""
    length = values.shape[1]
    columns = min(length, _COLUMNS)
    edges = np.arange(columns + 1) * length // columns
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    totals = np.concatenate([np.zeros((len(values), 1)), sums], axis=1)[:, edges]
    return np.diff(totals, axis=1) / np.diff(edges)


def _pixels(shares: Float[np.ndarray, "heads columns"]) -> UInt8[np.ndarray, "rows columns 3"]:
    pixels = np.repeat(heat(shares), _HEAD_PIXELS, axis=0)
    pixels[_HEAD_PIXELS - 1 :: _HEAD_PIXELS] = _LINE
    return pixels[:-1]


def layer_table(choices: Choices, unit: str = "token") -> list[list[str]]:
    """One row a layer: what its heads chose in numbers."""
    rows = []
    for layer in range(choices.layers):
        summary = choices.summary(layer)
        per_head = f"{summary.fewest:,}" if summary.fewest == summary.most else f"{summary.fewest:,}–{summary.most:,}"
        rows.append(
            [
                str(layer + 1),
                per_head,
                f"{summary.any_head:,} ({percent(summary.any_head / max(1, choices.length))})",
                f"{summary.all_heads:,}",
                "–" if summary.overlap is None else percent(summary.overlap),
                f"{summary.extra:,}",
            ]
        )
    return rows
