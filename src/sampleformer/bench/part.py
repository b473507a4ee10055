"""What `bench parts` measures: functions inside an attention, each beside what it takes the place of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention import BernoulliMixing, Keys, Queries
from sampleformer.bench.published import expanded_maxout, frugal_expanded_maxout
from sampleformer.bench.settings import PartsSettings
from sampleformer.functional.scores import maxout


@dataclass(frozen=True)
class Part:
    """A function of heads, in our form and in the form that it is compared with.

    Args:
        title: what it computes.
        forms: makes the functions by name.
        yardstick: the name of the form that the others are compared with.
        keys: how many keys there are for so many queries.
        inputs: how many tensors it takes: query, key and perhaps value.
        result_is_pairs: whether its result is a number for each query and key, rather than a vector a query.
        sizes: names of the settings that it depends on.
        heads: unless the settings say otherwise.
        lengths: unless the settings say otherwise.
    """

    title: str
    forms: Callable[[PartsSettings, int], dict[str, Callable[..., Tensor]]]
    yardstick: str
    keys: Callable[[PartsSettings, int], int]
    inputs: int
    result_is_pairs: bool
    sizes: tuple[str, ...]
    heads: int
    lengths: tuple[int, ...]

    def tensors(self, settings: PartsSettings, heads: int, length: int) -> list[Tensor]:
        """The inputs and, last, a gradient of the result, all standard normal."""
        generator = torch.Generator().manual_seed(settings.seed)
        keys, width = self.keys(settings, length), settings.head_width
        widths = [width] * self.inputs + [keys if self.result_is_pairs else width]
        lengths = [length, *[keys] * (self.inputs - 1), length]
        drawn = (
            torch.randn(settings.batch, heads, rows, columns, generator=generator)
            for rows, columns in zip(lengths, widths, strict=True)
        )
        return [tensor.to(settings.device, getattr(torch, settings.dtype)) for tensor in drawn]


def _scores(settings: PartsSettings, heads: int) -> dict[str, Callable[..., Tensor]]:
    return {"maxout": maxout, "frugal": frugal_expanded_maxout, "expanded": expanded_maxout}


def _mixings(settings: PartsSettings, heads: int) -> dict[str, Callable[..., Tensor]]:
    torch.manual_seed(settings.seed)  # the hashes are drawn when it is made
    bernoulli = BernoulliMixing(
        heads, settings.head_width, hashes=settings.hashes, code_length=settings.code_length
    ).to(settings.device)

    def yoso(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return bernoulli(Queries(query), Keys(key, value))

    return {"yoso": yoso, "flash": F.scaled_dot_product_attention}


PARTS = {
    "score": Part(
        title="SFT's score of n queries and k keys: maxout, and the formula with its expanded tensor",
        forms=_scores,
        yardstick="expanded",
        keys=lambda settings, length: settings.sampled,
        inputs=2,
        result_is_pairs=True,
        sizes=("sampled",),
        heads=4,
        lengths=(1024, 4096),
    ),
    "mixing": Part(
        title="YOSO's mixing of n queries and n keys (unit length, hashes, sums, unit length), and flash attention",
        forms=_mixings,
        yardstick="flash",
        keys=lambda settings, length: length,
        inputs=3,
        result_is_pairs=False,
        sizes=("hashes", "code_length"),
        heads=8,
        lengths=(4096, 16384, 65536, 262144),
    ),
}
"""By name."""
