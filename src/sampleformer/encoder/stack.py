"""The stack of layers."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sampleformer.attention import Attention, Noise, NonFiniteScores, Selection
from sampleformer.distributed.streams import join_rows
from sampleformer.encoder.feed_forward import FeedForward
from sampleformer.encoder.layer import EncoderLayer
from sampleformer.encoder.norming import first_norm, looks_at_batch
from sampleformer.errors import InputError, nearest, shown
from sampleformer.joined import Joined
from sampleformer.modules import Module
from sampleformer.norms import NORMS, BatchNorm, normalised
from sampleformer.tokens import Tokens, as_tokens

NORM_POSITIONS = ("pre", "post")


class Encoder(Module):
    """A stack of layers with one learned scale r for all their branches, and perhaps a norm at the end.

    Args:
        layers: from the first to the last.
        norm: applied to the result. None: nothing is, as in post-norm.
        residual_scale: where r starts. 0, as published, makes every layer start as the identity (ReZero).

    Source: SAMSA (arXiv 2408.05391), section 3; ReZero (arXiv 2003.04887).

    Example:
        >>> from sampleformer.attention import SamsaAttention
        >>> layer = EncoderLayer(SamsaAttention(8, 2, sampled=3), FeedForward(8, 32))
        >>> Encoder([layer], norm=None)(Tokens(torch.zeros(1, 5, 8))).features.shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, layers: Sequence[EncoderLayer], *, norm: nn.Module | None, residual_scale: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm: nn.Module | None = norm
        self.start = float(residual_scale)
        self.residual_scale = nn.Parameter(torch.empty(()))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.constant_(self.residual_scale, self.start)

    @classmethod
    def of(
        cls,
        attention: Callable[..., Attention],
        *,
        width: int,
        layers: int,
        feedforward: int,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        residual_scale: float = 0.0,
        norm: str = "rms",
        norm_position: str = "pre",
        local: Callable[..., nn.Module] | None = None,
        attention_layers: Sequence[int] | None = None,
    ) -> "Encoder":
        """A stack of equal layers.

        Args:
            attention: makes the attention of one layer from its norm, which comes as the keyword ``norm`` and is None
                in post-norm.
            width: d, of the tokens.
            layers: how many.
            feedforward: width inside the token-wise branch.
            dropout, stochastic_depth: of each layer.
            residual_scale: where the learned scale of the branches starts.
            norm: ``"rms"``, ``"layer"`` or ``"batch"``.
            norm_position: ``"pre"``, where each branch begins with a norm and the stack ends with one, or ``"post"``,
                where each sum of tokens and branch is normalised.
            local: makes the local part beside the attention, likewise. None: there is none.
            attention_layers: Layers that have the attention, counted from 1; the others have the local part alone.
                Empty: none. None: all.

        Raises:
            ValueError: if the norm or its position is unknown, or there are no such layers, see `check_layers`.
        """
        attending = check_layers(attention_layers, layers, local is not None, "attention_layers")
        if norm not in NORMS:
            raise ValueError(f"norm is {norm!r}; {nearest(norm, NORMS)}")
        if norm_position not in NORM_POSITIONS:
            raise ValueError(f"norm_position is {norm_position!r}; {nearest(norm_position, NORM_POSITIONS)}")

        def norm_at(position: str) -> nn.Module | None:
            return NORMS[norm](width) if position == norm_position else None

        stack = [
            EncoderLayer(
                attention(norm=norm_at("pre")) if number in attending else None,
                FeedForward(width, feedforward, norm=norm_at("pre"), dropout=dropout),
                local=None if local is None else local(norm=norm_at("pre")),
                attention_norm=norm_at("post"),
                feed_forward_norm=norm_at("post"),
                dropout=dropout,
                stochastic_depth=stochastic_depth,
            )
            for number in range(1, layers + 1)
        ]
        return cls(stack, norm=norm_at("pre"), residual_scale=residual_scale)

    def draw_noise(self, tokens: Tokens | Tensor, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The random numbers of one training pass, one entry a layer; None where no attention needs some."""
        attentions = [cast(Attention | None, layer.attention) for layer in self.layers]  # a wrapped layer has one, too
        return [None if each is None else each.draw_noise(tokens, generator=generator) for each in attentions]

    def forward(
        self, tokens: Tokens | Tensor, *, noise: Sequence[Noise | None] | None = None, return_selections: bool = False
    ) -> Tokens | tuple[Tokens, list[Selection]]:
        """Runs the stack.

        Args:
            tokens: features ``(b, n, d)``. A tensor stands for tokens of which none is padding.
            noise: from `draw_noise`; None: drawn in each layer.
            return_selections: also return what each layer's heads attended to; a layer without attention chose nothing.

        Raises:
            NonFiniteScores: if the scores that choose tokens are NaN or infinite; it names the layer and the heads.
        """
        encoded = as_tokens(tokens).without_padding()
        found: list[Selection | None] = []
        for number, layer in enumerate(self.layers):
            of_layer = None if noise is None else noise[number]
            try:
                result = layer(encoded, self.residual_scale, noise=of_layer, return_selection=return_selections)
            except NonFiniteScores as error:
                error.layer = number
                raise
            encoded, *selection = result if return_selections else (result,)
            found += selection
        encoded = normalised(self.norm, encoded)
        return (encoded, _selections(found)) if return_selections else encoded

    @property
    def runs_together(self) -> bool:
        """Whether `together` gives what the whole batch gives: all that looks at a whole batch are batch norms of ours.

        They stand at the start of a branch, after a sum or at the end.
        """
        layers = [layer for layer in self.layers if isinstance(layer, EncoderLayer)]
        if len(layers) < len(self.layers):
            return False
        norms: set[nn.Module | None] = {self.norm}
        for layer in layers:
            norms |= {first_norm(layer.attention), first_norm(layer.local), first_norm(layer.feed_forward)}
            norms |= {layer.attention_norm, layer.feed_forward_norm}
        known = {norm for norm in norms if isinstance(norm, BatchNorm)}
        return all(module in known for module in self.modules() if looks_at_batch(module))

    def together(self, chunks: Sequence[Tokens]) -> list[Tokens]:
        """Runs the stack on the chunks of one batch, where it `runs_together`.

        Attention stays inside a sample, so that samples of similar length may be padded to a length of their own; batch
        norms see the tokens of all chunks. What treats each token alone runs once for all of them, see `Joined`.

        Args:
            chunks: Features ``(b, n, d)``, b and n of each chunk its own.

        Raises:
            NonFiniteScores: as `forward`.
        """
        joined = Joined.of([tokens.without_padding() for tokens in chunks])
        join_rows(joined.counts)
        for number, layer in enumerate(self.layers):
            try:
                joined = cast(EncoderLayer, layer).together(joined, self.residual_scale)
            except NonFiniteScores as error:
                error.layer = number
                raise
        return joined.with_features(normalised(self.norm, joined.tokens).features).apart()


EVERY_SECOND = "every second"


def check_layers(value: object, layers: int, local: bool, name: str) -> Sequence[int]:
    """Layers that have the attention, counted from 1.

    Args:
        value: Their numbers, or "every second", the last one among them. Empty: none. None: all.
        layers: Number of layers.
        local: Whether there is a local part, which the other layers need.
        name: Name of the argument, for messages.

    Raises:
        InputError: if they are no numbers of layers, each once, or layers without attention would have nothing.

    Example:
        >>> check_layers([1, 3], 4, True, "attention_layers")
        [1, 3]
        >>> check_layers("every second", 4, True, "attention_layers")
        [2, 4]
    """
    every = range(1, layers + 1)  # no list: a stranger's file may claim any number of layers
    if value is None or value == every:
        return every
    if value == EVERY_SECOND:
        value = list(every[(layers - 1) % 2 :: 2])
    numbers: list[Any] = list(value) if isinstance(value, list | tuple) else [None]
    if not all(type(each) is int and each in every for each in numbers) or _repeats(numbers):
        raise InputError(
            f"{name} is {shown(value)}, expected {EVERY_SECOND!r}, or a list of layers that attend, each once, such "
            f"as [1]: there are {layers}, counted from 1"
        )
    if len(numbers) < layers and not local:
        raise InputError(
            f"{name} is {shown(value)}, expected all {layers} layers, or a local part such as {{name: window}}: the "
            "other layers would have nothing to look at"
        )
    return numbers


def _repeats(numbers: Sequence[int]) -> bool:
    return len(set(numbers)) < len(numbers)


def _selections(found: Sequence[Selection | None]) -> list[Selection]:
    """One a layer: a layer without attention has as many heads as the others, which chose nothing."""
    some = next((each for each in found if each is not None), None)
    if some is None:
        return []
    nothing = Selection(some.indices[:, :, :0], some.valid[:, :, :0])
    return [nothing if each is None else each for each in found]
