"""The choice map of an image: the image, how often each pixel was chosen, and one small picture a head."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from sampleformer.explain.choices import Choices
from sampleformer.explain.png import blend, heat, png_address
from sampleformer.wording import count, percent

# Chosen pixels are blue, the others near white, each with the image's own light and dark. The lightest blue is darker
# than the darkest of the others, so that the map also reads in grey.
_CHOSEN = ((8, 42, 96), (74, 140, 205))
_OTHERS = ((196, 196, 196), (250, 250, 250))


def image_map(
    values: Float[np.ndarray, "n channels"] | None,
    layout: tuple[int, int],
    choices: Choices,
    pooling: Float[np.ndarray, " n"] | None = None,
) -> str:
    """The image and its choice maps.

    Args:
        values: of each pixel, row by row; three channels are red, green and blue. None: not known.
        layout: rows and columns.
        choices: of every layer and head.
        pooling: weight of each pixel in the answer; None: not known.
    """
    grey = _brightness(values, choices.length)
    heads = count(choices.voters, "head")
    most = int(choices.counts.max(initial=0))
    caption = f"chosen by none (white) to {most} (dark blue) of {heads}, all layers together"
    summary = _heat(choices.counts, layout)
    return (
        f"<div class='map pictures'>{_original(values, layout)}"
        f"{_figure(summary, f'<span class=view>{caption}</span>', 'choice map', focus=True)}"
        f"{_weights(pooling, layout)}</div>\n"
        f"{_small_pictures(grey, layout, choices)}"
    )


def plain_image(
    values: Float[np.ndarray, "n channels"] | None,
    layout: tuple[int, int],
    pooling: Float[np.ndarray, " n"] | None = None,
) -> str:
    """The image without choices."""
    return f"<div class='pictures'>{_original(values, layout)}{_weights(pooling, layout)}</div>\n"


def _original(values: Float[np.ndarray, "n channels"] | None, layout: tuple[int, int]) -> str:
    if values is None:
        return ""
    return _figure(_colours(values, layout), "the image as the model reads it", "image")


def _weights(pooling: Float[np.ndarray, " n"] | None, layout: tuple[int, int]) -> str:
    if pooling is None:
        return ""
    words = f"pooling weights: none (white) to {percent(float(pooling.max()))} (dark blue)"
    return _figure(_heat(pooling, layout), words, "pooling weights")


def average_map(layout: tuple[int, int], shares: list[np.ndarray]) -> str:
    """How often each pixel was chosen, over several images."""
    mean = np.mean(shares, axis=0)
    caption = (
        f"chosen by none (white) to {percent(float(mean.max()))} (dark blue) of the heads, "
        f"mean over {count(len(shares), 'sample')}"
    )
    return f"<div class='pictures'>{_figure(_heat(mean, layout), caption, 'mean choice map')}</div>\n"


def _heat(values: np.ndarray, layout: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """White for zero, dark blue for the largest of the values."""
    return heat(values / max(float(values.max(initial=0)), 1e-12)).reshape(*layout, 3)


def _small_pictures(grey: Float[np.ndarray, " n"], layout: tuple[int, int], choices: Choices) -> str:
    head_row = "".join(f'<th scope="col">head {head + 1}</th>' for head in range(choices.heads))
    rows = []
    for layer in range(choices.layers):
        chosen = choices.chosen[layer]
        together = chosen.sum(axis=0)
        words = f"Layer {layer + 1}, all heads: chosen by none (white) to {together.max()} (dark blue) of {len(chosen)}"
        cells = _cell(_heat(together, layout), words, f"{layer}-")
        for head in range(choices.heads):
            number = int(chosen[head].sum())
            words = f"Layer {layer + 1}, head {head + 1}: chose {number:,} of {count(choices.length, 'pixel')}"
            cells += _cell(_picture(grey, chosen[head], layout), words, f"{layer}-{head}")
        rows.append(f'<tr><th scope="row">layer {layer + 1}</th>{cells}</tr>\n')
    return (
        "<div class='wide'><table class='multiples'><thead><tr><td></td><th scope='col'>all heads</th>"
        f"{head_row}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table></div>\n"
        "<p class='note'>One head: blue = chosen, grey to white = not chosen; light and dark are the image's own.</p>\n"
    )


def _cell(pixels: UInt8[np.ndarray, "rows columns 3"], words: str, view: str) -> str:
    address = png_address(pixels)
    return f'<td><img data-view="{view}" alt="{words}" title="{words}" src="{address}"></td>'


def _figure(pixels: UInt8[np.ndarray, "rows columns 3"], caption: str, words: str, focus: bool = False) -> str:
    kind = ' class="focus"' if focus else ""
    return f'<figure><img{kind} alt="{words}" src="{png_address(pixels)}"><figcaption>{caption}</figcaption></figure>'


def _picture(
    grey: Float[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"], layout: tuple[int, int]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Which pixels one head chose."""
    colours = np.where(chosen[:, None], blend(grey, *_CHOSEN), blend(grey, *_OTHERS))
    return colours.reshape(*layout, 3).astype(np.uint8)


def _colours(values: Float[np.ndarray, "n channels"], layout: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    scaled = _scaled(values)
    coloured = scaled if scaled.shape[1] == 3 else np.repeat(scaled[:, :1], 3, axis=1)
    return np.rint(255 * coloured).astype(np.uint8).reshape(*layout, 3)


def _brightness(values: Float[np.ndarray, "n channels"] | None, length: int) -> Float[np.ndarray, " n"]:
    return np.full(length, 0.5) if values is None else _scaled(values).mean(axis=1)


def _scaled(values: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n channels"]:
    """Between 0, the least value of the image, and 1, the greatest."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
