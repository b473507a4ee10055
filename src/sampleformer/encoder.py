"""The layer and the stack: attention, MLP, norm and residual."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.attention import Attention, Noise, Selection
from sampleformer.dropout import Dropout
from sampleformer.errors import nearest
from sampleformer.functional.blocks import tokenwise
from sampleformer.norms import NORMS
from sampleformer.tokens import Tokens

NORM_POSITIONS = ("pre", "post")


class FeedForward(nn.Module):
    """The token-wise branch of a layer: ``Linear(dropout(GELU(Linear(norm(x)))))``.

    Args:
        width: d, of the tokens.
        hidden: width inside.
        norm: applied first; None: the features are used as they are.
        dropout: share of the hidden features set to zero in training.
    """

    def __init__(self, width: int, hidden: int, *, norm: nn.Module | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = norm if norm is not None else nn.Identity()
        self.hidden = hidden
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, width))

    def forward(
        self, features: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """Transforms each token by itself.

        Args:
            features: of all tokens.
            mask: True where a token is real, for a norm that is not token-wise. None: all are.
        """
        if _is_tokenwise(self.norm):
            return tokenwise(lambda block: self.mlp(self.norm(block)), features, widest=self.hidden)
        return tokenwise(self.mlp, self.norm(features, mask), widest=self.hidden)


class EncoderLayer(nn.Module):
    """``x ← x + r·attention(x)``, then ``x ← x + r·feed_forward(x)``.

    With pre-norm the branches own their norms; with post-norm there are none in them, and each sum is normalised.

    Args:
        attention: any attention.
        feed_forward: the token-wise branch.
        attention_norm: applied to the sum with the attention. None: nothing is, as in pre-norm.
        feed_forward_norm: applied to the sum with the token-wise branch. None: nothing is, as in pre-norm.
        dropout: share of each branch's features set to zero in training.
        stochastic_depth: probability that a sample skips a branch in training.

    Raises:
        ValueError: if a probability is outside [0, 1).
    """

    def __init__(
        self,
        attention: Attention,
        feed_forward: nn.Module,
        *,
        attention_norm: nn.Module | None = None,
        feed_forward_norm: nn.Module | None = None,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= stochastic_depth < 1:
            raise ValueError(f"stochastic_depth is {stochastic_depth}, expected at least 0 and less than 1")
        self.attention = attention
        self.feed_forward = feed_forward
        self.attention_norm = attention_norm
        self.feed_forward_norm = feed_forward_norm
        self.dropout = Dropout(dropout)
        self.stochastic_depth = stochastic_depth

    def forward(
        self, tokens: Tokens, residual_scale: Float[Tensor, ""], *, noise: Noise | None = None
    ) -> tuple[Tokens, Selection]:
        """The tokens after the layer, and what each head attended to."""
        attended, selection = self.attention(tokens, noise=noise, return_selection=True)
        tokens = _normalised(self.attention_norm, self._add(tokens, residual_scale, attended))
        # Other modules than ours may be token-wise branches, and take nothing but features.
        masks = (tokens.mask,) if isinstance(self.feed_forward, FeedForward) else ()
        fed = self.feed_forward(tokens.features, *masks)
        return _normalised(self.feed_forward_norm, self._add(tokens, residual_scale, fed)), selection

    def _add(self, tokens: Tokens, residual_scale: Tensor, branch: Tensor) -> Tokens:
        branch = self.dropout(branch)
        if self.training and self.stochastic_depth:
            keep = 1 - self.stochastic_depth
            branch = branch * branch.new_empty(tokens.batch, 1, 1).bernoulli_(keep).div(keep)
        scale = residual_scale.to(branch.dtype)
        # In place where the branch is nobody else's (a branch may return its input) and as wide as the sum.
        in_place = branch is not tokens.features and branch.dtype == tokens.features.dtype
        if torch.is_grad_enabled() or not in_place:
            return tokens.with_features(torch.addcmul(tokens.features, scale, branch))
        return tokens.with_features(branch.mul_(scale).add_(tokens.features))


class Encoder(nn.Module):
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
        self.norm = norm
        self.residual_scale = nn.Parameter(torch.tensor(float(residual_scale)))

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

        Raises:
            ValueError: if the norm or its position is unknown.
        """
        if norm not in NORMS:
            raise ValueError(f"norm is {norm!r}; {nearest(norm, NORMS)}")
        if norm_position not in NORM_POSITIONS:
            raise ValueError(f"norm_position is {norm_position!r}; {nearest(norm_position, NORM_POSITIONS)}")

        def norm_at(position: str) -> nn.Module | None:
            return NORMS[norm](width) if position == norm_position else None

        stack = [
            EncoderLayer(
                attention(norm=norm_at("pre")),
                FeedForward(width, feedforward, norm=norm_at("pre"), dropout=dropout),
                attention_norm=norm_at("post"),
                feed_forward_norm=norm_at("post"),
                dropout=dropout,
                stochastic_depth=stochastic_depth,
            )
            for _ in range(layers)
        ]
        return cls(stack, norm=norm_at("pre"), residual_scale=residual_scale)

    def draw_noise(self, tokens: Tokens, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The random numbers of one training pass, one entry a layer."""
        attentions = [layer.attention for layer in self.layers if isinstance(layer, EncoderLayer)]
        return [attention.draw_noise(tokens, generator=generator) for attention in attentions]

    def forward(
        self, tokens: Tokens, *, noise: Sequence[Noise | None] | None = None, return_selections: bool = False
    ) -> Tokens | tuple[Tokens, list[Selection]]:
        """Runs the stack.

        Args:
            tokens: features ``(b, n, d)``.
            noise: from `draw_noise`; None: drawn in each layer.
            return_selections: also return what each layer's heads attended to.
        """
        tokens = tokens.without_padding()
        selections = []
        for number, layer in enumerate(self.layers):
            tokens, selection = layer(tokens, self.residual_scale, noise=None if noise is None else noise[number])
            selections.append(selection)
        tokens = _normalised(self.norm, tokens)
        return (tokens, selections) if return_selections else tokens


def _is_tokenwise(norm: nn.Module) -> bool:
    # Norms from elsewhere do not say; those that make sense for tokens are.
    return bool(getattr(norm, "tokenwise", True))


def _normalised(norm: nn.Module | None, tokens: Tokens) -> Tokens:
    if norm is None:
        return tokens
    if not _is_tokenwise(norm):
        return tokens.with_features(norm(tokens.features, tokens.mask))
    return tokens.with_features(tokenwise(norm, tokens.features, widest=tokens.features.shape[-1]))
