"""Draws the pictures of docs/pictures.md from the layers themselves.

python docs/pictures.py            # into docs/images
python docs/pictures.py elsewhere
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sampleformer import FullAttention, SamsaAttention, Tokens, YosoAttention
from sampleformer.attention import WindowAttention
from sampleformer.explain.figures import BLUE, GREY, ORANGE, panels, style, write_png
from sampleformer.functional.bernoulli.codes import sign_codes, unit_length
from sampleformer.functional.bernoulli.expected import collision_probability
from sampleformer.functional.bernoulli.planes import gaussian_planes

TOKENS, WIDTH, HEADS, SAMPLED = 48, 32, 2, 5
STEP = 1e-3
"""By how much a token is moved, to see which results move with it."""


def example() -> Tensor:
    """The tokens of most pictures, ``(1, n, d)``."""
    return torch.randn(1, TOKENS, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def samsa(heads: int = HEADS, sampled: int = SAMPLED) -> SamsaAttention:
    """A layer with the weights that it starts with."""
    torch.manual_seed(1)
    return SamsaAttention(WIDTH, heads, sampled=sampled).double().eval()


@torch.no_grad()
def readers(attention: Callable[[Tokens], Tensor]) -> np.ndarray:
    """How much the result of token i moves when token j is moved, ``(n, n)``, from 0 to 1."""
    given = example()
    moved = given.repeat(1 + TOKENS, 1, 1)
    moved[1 + torch.arange(TOKENS), torch.arange(TOKENS)] += STEP
    results = attention(Tokens(moved))
    change = (results[1:] - results[:1]).norm(dim=-1).T.numpy()
    # A token's own query moves its result too, whatever it reads.
    np.fill_diagonal(change, 0.0)
    # In YOSO a moved token may get another code, and then a result moves by much more than all others.
    return np.minimum(change / np.quantile(change[change > 0], 0.95), 1.0)


def draw_reading(folder: Path) -> None:
    """Who reads whom."""
    torch.manual_seed(1)
    full, window = FullAttention(WIDTH, HEADS).double().eval(), WindowAttention(WIDTH, HEADS, window=3).double().eval()
    yoso, sampled = YosoAttention(WIDTH, HEADS, hashes=4, code_length=6).double().eval(), samsa()
    shown = {
        "full attention": readers(full),
        f"SAMSA, {HEADS} heads, k = {SAMPLED}": readers(sampled),
        "SAMSA and a window": readers(lambda tokens: sampled(tokens) + window(tokens)),
        "YOSO, 4 hashes of 6 bits": readers(yoso),
    }
    with style("reading"):
        figure, axes = panels(len(shown))
        figure.set_size_inches(13, 3.4)
        for each, (title, change) in zip(axes, shown.items(), strict=True):
            each.imshow(change**0.5, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
            each.set(title=title, xlabel="token that is read", ylabel="token that reads")
            each.grid(visible=False)
        write_png(figure, folder / "reading.png")


def draw_choice(folder: Path) -> None:
    """What each head chose, and by which scores."""
    with torch.no_grad():
        _, selection = samsa(heads=4, sampled=8)(Tokens(example()), return_selection=True)
    scores = selection.scores.values[0].numpy()
    with style("choice"):
        figure, (axes,) = panels()
        figure.set_size_inches(9, 2.6)
        axes.imshow(scores, cmap="Greys", aspect="auto", interpolation="nearest")
        for head, chosen in enumerate(selection.indices[0].numpy()):
            axes.scatter(chosen, np.full(len(chosen), head), s=34, color=ORANGE, edgecolors="white", linewidths=0.8)
        axes.set(title="score of each token (dark: high), and the 8 best of each head", xlabel="token", ylabel="head")
        axes.set_yticks(range(4), ["1", "2", "3", "4"])
        axes.grid(visible=False)
        write_png(figure, folder / "choice.png")


def draw_noise(folder: Path) -> None:
    """How often each token is chosen in training, by the scale of the noise."""
    attention, draws = samsa(heads=1, sampled=8).train(), 2000
    tokens = Tokens(example().expand(draws, -1, -1).contiguous())
    with style("noise"):
        figure, (axes,) = panels()
        for scale, colour, dashes in ((0.0, GREY, ":"), (0.3, ORANGE, "--"), (1.0, BLUE, "-")):
            attention.sampler.noise_scale.fill_(scale)
            with torch.no_grad():
                noise = attention.draw_noise(tokens, generator=torch.Generator().manual_seed(0))
                _, selection = attention(tokens, noise=noise, return_selection=True)
            times = np.bincount(selection.indices.flatten().numpy(), minlength=TOKENS) / draws
            order = np.argsort(-selection.scores.values[0, 0].numpy(), kind="stable")
            axes.plot(np.arange(1, TOKENS + 1), times[order], color=colour, linestyle=dashes, label=f"noise {scale:g}")
        axes.set(title="share of passes that choose a token, k = 8", xlabel="rank of its score", ylim=(-0.03, 1.05))
        axes.legend()
        write_png(figure, folder / "noise.png")


def draw_collisions(folder: Path) -> None:
    """How often two tokens share a code, by their angle."""
    angles = torch.linspace(0, torch.pi, 60, dtype=torch.float64)
    first = torch.zeros(60, 16, dtype=torch.float64)
    first[:, 0] = 1
    second = torch.zeros_like(first)
    second[:, 0], second[:, 1] = angles.cos(), angles.sin()
    with style("collisions"):
        figure, (axes,) = panels()
        for bits, colour in ((3, ORANGE), (9, BLUE)):
            planes = gaussian_planes(64, 16, bits, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            codes = [sign_codes(unit_length(each), planes) for each in (first, second)]
            shared = (codes[0] == codes[1]).double().mean(0)
            degrees = angles.rad2deg()
            axes.plot(degrees, collision_probability(angles.cos(), bits), color=colour, label=f"{bits} bits, expected")
            axes.scatter(degrees, shared, color=colour, s=9, label=f"{bits} bits, 64 hashes")
        axes.set(title="weight of a key in YOSO", xlabel="angle between query and key, degrees")
        axes.legend()
        write_png(figure, folder / "collisions.png")


PICTURES: tuple[Callable[[Path], None], ...] = (draw_reading, draw_choice, draw_noise, draw_collisions)


def main(folder: Path) -> None:
    """Draws all of them."""
    for draw in PICTURES:
        draw(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
