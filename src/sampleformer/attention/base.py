"""The contract that every attention keeps, and what all of them share."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sampleformer.functional.blocks import tokenwise
from sampleformer.tokens import Tokens


@dataclass(frozen=True)
class Selection:
    """The tokens that each head attended to.

    Args:
        indices: into the tokens attended to, shape ``(b, h, k)``; an index of n or more is a learned extra token.
        valid: False where a slot holds no token, shape ``(b, h, k)``.
    """

    indices: Int64[Tensor, "b h k"]
    valid: Bool[Tensor, "b h k"]


class Attention(nn.Module):
    """Base of all attentions: projections, masks and the rules that hold for every method.

    A subclass says what its queries attend to. What it may rely on, and what its users may rely on: padding changes
    nothing, a fully masked row gives zeros, evaluation is deterministic, and all randomness of training is one tensor
    that `draw_noise` draws.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        norm: applied to the features before the projections; None: the features are used as they are. The attention
            owns its norm because a sampler scores the features before it.
        bias: whether the projections have one.

    Raises:
        ValueError: if the width or the heads are not positive, or the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, *, norm: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__()
        for name, value in (("width", width), ("heads", heads)):
            if value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        if width % heads:
            raise ValueError(f"heads is {heads}, expected a divisor of width = {width}")
        self.width = width
        self.heads = heads
        self.norm = norm if norm is not None else nn.Identity()
        self.query = nn.Linear(width, width, bias=bias)
        self.key_value = nn.Linear(width, 2 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def draw_noise(
        self, tokens: Tokens, context: Tokens | None = None, generator: torch.Generator | None = None
    ) -> Tensor | None:
        """The random numbers of one training pass; None if the method needs none.

        Args:
            tokens: what will attend.
            context: what will be attended to; None: the tokens themselves.
            generator: source of randomness; None: torch's global one.
        """
        return None

    def forward(
        self,
        tokens: Tokens,
        context: Tokens | None = None,
        *,
        noise: Tensor | None = None,
        return_selection: bool = False,
    ) -> Float[Tensor, "b n d"] | tuple[Float[Tensor, "b n d"], Selection]:
        """Attends.

        Args:
            tokens: the queries, features ``(b, n, d)``.
            context: what they attend to; None: the tokens themselves.
            noise: from `draw_noise`, used in training only; None: drawn here.
            return_selection: also say which tokens each head attended to.

        Returns:
            One vector a token, zero at masked tokens and where there is nothing to attend to.
        """
        tokens = tokens.without_padding()
        attended_to = tokens if context is None else context.without_padding()
        if self.training and noise is None:
            noise = self.draw_noise(tokens, context)
        key, value, valid, selection = self.keys_and_values(attended_to, noise if self.training else None)
        result = self._attend(tokens, key, value, valid)
        return (result, selection) if return_selection else result

    def keys_and_values(
        self, context: Tokens, noise: Tensor | None
    ) -> tuple[Float[Tensor, "b h k e"], Float[Tensor, "b h k e"], Bool[Tensor, "b #h k"] | None, Selection]:
        """What the queries attend to: keys, values, whether each is valid (None: all are), and the choice made.

        Args:
            context: the tokens to choose from; padding holds zeros.
            noise: of this training pass; None in evaluation.
        """
        raise NotImplementedError

    def _attend(self, tokens: Tokens, key: Tensor, value: Tensor, valid: Tensor | None) -> Tensor:
        reachable = None
        if valid is not None:
            reachable = valid.any(-1, keepdim=True)
            # A row without any key attends to its zeros instead, so that no softmax runs over nothing.
            valid = (valid | ~reachable)[:, :, None, :]
            reachable = reachable.any(1)[:, :, None]

        def block(features: Tensor) -> Tensor:
            query = self._split(self.query(self.norm(features)))
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=valid)
            return self.output(mixed.transpose(1, 2).flatten(2))

        result = tokenwise(block, tokens.features, widest=2 * self.width)
        for alive in (reachable, None if tokens.mask is None else tokens.mask[:, :, None]):
            if alive is not None:
                result = result.masked_fill(~alive, 0)
        return result

    def _split(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"width={self.width}, heads={self.heads}"
