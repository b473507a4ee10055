"""What is measured: one encoder layer, and the part of it that no attention can do without."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS, Attention, Noise, Selection
from sampleformer.bench.settings import SpeedSettings
from sampleformer.encoder import Encoder
from sampleformer.functional.blocks import tokenwise
from sampleformer.settings import Component
from sampleformer.tokens import Tokens, as_tokens


class TokenwiseFloor(Attention):
    """A stand-in for an attention that mixes nothing: ``output(query(norm(x)))``, token by token.

    In the place of an attention it leaves of a layer what every transformer layer pays, whatever its tokens attend to:
    norms, query and output projection, MLP, residuals. The modules and the blocks are those of the attentions.

    Args:
        width: d, of the tokens.
        norm: applied before the projections.
    """

    def __init__(self, width: int, *, norm: nn.Module | None = None) -> None:
        super().__init__(width, 1, norm=norm)
        del self.key_value  # nothing is attended to

    def forward(
        self,
        tokens: Tokens | Tensor,
        context: Tokens | Tensor | None = None,
        *,
        noise: Noise | None = None,
        return_selection: bool = False,
    ) -> Tensor | tuple[Tensor, Selection]:
        """Projects each token by itself; the selection is empty."""
        tokens = as_tokens(tokens)
        features = tokens.features
        # In blocks as wide as the attentions', so that it pays the same for them.
        result = tokenwise(lambda block: self.output(self.query(self.norm(block))), features, widest=self.width)
        nothing = torch.empty(tokens.batch, self.heads, 0, dtype=torch.int64, device=features.device)
        return (result, Selection(nothing, nothing.bool())) if return_selection else result


class MeasuredLayer(nn.Module):
    """One layer as `Encoder` makes it, with the learned scale of its branches; from features to features.

    Args:
        attention: makes the attention from its norm, as for `Encoder.of`.
        width: d, of the tokens; the MLP is four times as wide inside.
    """

    def __init__(self, attention: Callable[..., Attention], width: int) -> None:
        super().__init__()
        encoder = Encoder.of(attention, width=width, layers=1, feedforward=4 * width, residual_scale=1.0)
        self.layer = encoder.layers[0]
        self.residual_scale = encoder.residual_scale

    def forward(self, features: Tensor) -> Tensor:
        """The features after the layer, ``(b, n, d)``."""
        return self.layer(Tokens(features), self.residual_scale).features


def make_layer(name: str, settings: SpeedSettings) -> MeasuredLayer:
    """The layer with an attention, or with nothing in its place.

    Args:
        name: a registered attention, or ``floor``.
        settings: of the benchmark.
    """
    if name == "floor":
        attention: Callable[..., Attention] = functools.partial(TokenwiseFloor, settings.width)
    else:
        component = Component(name=name, **_arguments(name, settings))
        attention = functools.partial(
            component.build, ATTENTIONS, f"--set {name}", width=settings.width, heads=settings.heads
        )
    return MeasuredLayer(attention, settings.width).to(settings.device, getattr(torch, settings.dtype))


def sampled_tokens(name: str, settings: SpeedSettings) -> int | None:
    """k of an attention; None for one that does not sample k tokens."""
    return _arguments(name, settings).get("sampled") if name in ATTENTIONS else None


def _arguments(name: str, settings: SpeedSettings) -> dict[str, Any]:
    takes_sampled = "sampled" in inspect.signature(ATTENTIONS[name]).parameters
    return ({"sampled": settings.sampled} if takes_sampled else {}) | dict(settings.own.get(name, {}))
