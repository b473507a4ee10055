"""Sampler and mixing of a method, for layers of other libraries that have projections of their own."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sampleformer.attention.attending import for_each_head, keys_of_choice, keys_of_slots, with_learned
from sampleformer.attention.base import Attention
from sampleformer.attention.mixings import Keys
from sampleformer.attention.samplers import Choice, NonFiniteScores
from sampleformer.distributed.token_shards import refuse_shards
from sampleformer.errors import InputError
from sampleformer.functional.dropout import dropout
from sampleformer.functional.gathering import rows_at
from sampleformer.modules import Module
from sampleformer.settings import construct
from sampleformer.tokens import Tokens
from sampleformer.tracing import has_values

_MINUS_INFINITY = -9000.0
"""Numbers from here on down stand for −∞ in masks that are added to scores: −10 000, in half precision −9 984."""


class ProjectedAttention(Module):
    """Parts of an attention that are no projections: sampler, mixing, leak logits and learned extra tokens.

    The layer of another library projects queries, keys and values and the result; this is what comes between.

    Args:
        method: Attention whose parts these become. Its projections and its norm are not used.

    Raises:
        InputError: if the method has relative terms, for which such layers have nothing.

    Example:
        >>> from sampleformer.attention import SamsaAttention
        >>> attention = ProjectedAttention(SamsaAttention(8, 2, sampled=3)).eval()
        >>> choice, _ = attention.choose(Tokens(torch.zeros(1, 5, 8)))
        >>> choice.indices.shape
        torch.Size([1, 2, 3])
    """

    def __init__(self, method: Attention) -> None:
        super().__init__()
        if method.relative is not None:
            raise InputError(
                f"relative is {type(method.relative).__name__}, expected None: the layers of other libraries know no "
                "places of tokens"
            )
        self.width = method.width
        self.heads = method.heads
        self.kernel = method.kernel
        self.self_only = method.self_only
        self.sampler = method.sampler
        self.mixing = method.mixing
        self.leak = method.leak
        if self.sampler.extra:
            self.extra_key_value = method.extra_key_value

    def _reset_own_parameters(self) -> None:
        if self.sampler.extra:
            nn.init.normal_(self.extra_key_value)

    def choose(self, context: Tokens, tokens: Tokens | None = None) -> tuple[Choice, Tensor | None]:
        """Choice among the tokens of the context, and the random numbers of the mixing, which training alone has.

        Args:
            context: Tokens to choose from; padding holds zeros.
            tokens: Tokens that attend. None: the context itself.

        Raises:
            NonFiniteScores: if the sampler's scores are NaN or infinite.
            InputError: if the method is self-attention alone and there is another context, or ranks share the tokens.
        """
        refuse_shards("layers of other libraries, which project all of them")
        if tokens is not None and self.self_only:
            raise InputError(
                f"key is another tensor than query, expected the same: {type(self.mixing).__name__} as it is set is "
                "self-attention alone"
            )
        of_sampler = of_mixing = None
        if self.training:
            of_sampler = self.sampler.draw_noise(context)
            of_mixing = self.mixing.draw_noise(context if tokens is None else tokens)
        try:
            return self.sampler(context, of_sampler), of_mixing
        except NonFiniteScores as error:
            error.heads = self.heads
            raise

    def keys(
        self,
        choice: Choice,
        key: Float[Tensor, "b h m e"],
        value: Float[Tensor, "b h m e"],
        leak: Float[Tensor, "b h m"] | None,
        length: int,
        probability: float = 0.0,
    ) -> Keys:
        """Keys of the slots, from what the candidates carry.

        Args:
            choice: Choice of the sampler.
            key: Key of each candidate, for each head.
            value: Value of each candidate, for each head.
            leak: Leak logit of each candidate, for a mixing that leaks.
            length: Number of tokens of the context.
            probability: Probability that the value of a slot is dropped in training, for all queries at once.
        """
        if self.sampler.selects:
            carried = torch.cat([key, value] if leak is None else [key, value, leak[..., None]], dim=-1)
            carried = carried.unflatten(1, (self.sampler.groups, -1)).transpose(2, 3).flatten(3)
            if self.sampler.extra:
                carried = with_learned(carried, self.extra_key_value, choice.indices, length)
            keys = keys_of_choice(choice, carried, self.heads, leaks=leak is not None)
        else:
            keys = keys_of_slots(choice, key, value, leak)
        if not self.training or probability == 0:
            return keys
        kept = dropout(keys.v.new_ones(keys.v.shape[:3]), probability, training=True)
        return Keys(keys.k, keys.v * kept[..., None], keys.valid, keys.weights, keys.counting, keys.sink)

    def extra_repr(self) -> str:
        return f"width={self.width}, heads={self.heads}"


def projected_attention(
    method: type[Attention], width: int, heads: int, settings: Mapping[str, Any], setting: str, dtype: torch.dtype
) -> ProjectedAttention:
    """Parts of a method, built without memory for projections that are not used.

    Args:
        method: Class of the attention.
        width: Width of the tokens that it scores.
        heads: h.
        settings: Further arguments of the class, such as `sampled`.
        setting: Name that stands before theirs in messages.
        dtype: Dtype of the parameters.

    Raises:
        InputError: if an argument does not exist or is refused.

    Example:
        >>> from sampleformer.attention import SamsaAttention
        >>> projected_attention(SamsaAttention, 8, 2, {"sampled": 3}, "samsa", torch.float32).sampler.sampled
        3
    """
    for name in ("norm", "bias", "relative"):
        if settings.get(name) is not None:
            raise InputError(f"{setting}.{name}: unknown setting: the layer has projections of its own")
    device = torch.empty(0).device
    with torch.device("meta"):
        parts = ProjectedAttention(construct(method, settings, setting, width=width, heads=heads))
    parts.to(dtype)
    if device.type != "meta":
        parts.to_empty(device=device).reset_parameters()
    return parts


def candidates_of_heads(
    of_tokens: Float[Tensor, "b h n c"], indices: Int64[Tensor, "b g m"], length: int
) -> Float[Tensor, "b h m c"]:
    """What each head has of the candidates of its group; anything for an index of `length` or more.

    Args:
        of_tokens: What each head has of each token.
        indices: Candidates of each group of heads.
        length: n.

    Example:
        >>> candidates_of_heads(torch.tensor([[[[1.0], [2.0]]]]), torch.tensor([[[1, 0, 1]]]), 2).flatten()
        tensor([2., 1., 2.])
    """
    heads = of_tokens.shape[1]
    rows = for_each_head(indices, heads).expand(-1, heads, -1).clamp(max=max(length, 1) - 1)
    # Layers have the heads of a token one after the other: a view then, not a copy.
    of_tokens = of_tokens.transpose(1, 2)
    if length == 0:
        of_tokens = of_tokens.new_zeros(of_tokens.shape[0], 1, *of_tokens.shape[2:])
    rows = rows * heads + torch.arange(heads, device=rows.device)[:, None]
    return rows_at(of_tokens.flatten(1, 2), rows.flatten(1)).unflatten(1, (heads, -1))


def padding_of(mask: Tensor, name: str = "key_padding_mask") -> Bool[Tensor, "b n"]:
    """Where a mask says padding: True of a boolean one, −inf, or a number that stands for it, of one added to scores.

    Raises:
        InputError: if it holds other numbers, which would weigh the tokens.
    """
    if mask.dtype == torch.bool:
        return mask
    if not mask.is_floating_point():
        raise InputError(f"{name} has dtype {mask.dtype}, expected torch.bool (True = padding) or floating-point")
    padding = mask <= _MINUS_INFINITY
    if has_values(mask) and bool(mask.masked_fill(padding, 0).any()):
        raise InputError(f"{name} holds other numbers than 0 and -inf, expected none: tokens have no weights here")
    return padding
