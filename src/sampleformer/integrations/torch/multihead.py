"""An `nn.MultiheadAttention` whose heads attend to a sample of the tokens."""

from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS, Keys
from sampleformer.attention.attending import attend, split_heads
from sampleformer.attention.base import standardised_
from sampleformer.attention.projected import candidates_of_heads, padding_of, projected_attention
from sampleformer.attention.samplers import Choice
from sampleformer.errors import InputError
from sampleformer.kernels.projection import project_chosen
from sampleformer.tokens import Tokens

Self = TypeVar("Self", bound="SampledMultiheadAttention")

_WITHOUT_EQUIVALENT = {
    "add_bias_kv": "a learned key and value that every query sees; extra=… gives samsa learned tokens",
    "add_zero_attn": "a key and value of zeros",
}


class SampledMultiheadAttention(nn.MultiheadAttention):
    """Multi-head attention with the interface and the weights of `nn.MultiheadAttention` and the cost of a sample.

    It takes the place of torch's module wherever that has no `attn_mask` and gives no weights, inside
    `nn.TransformerEncoderLayer` (whose fast path, which would compute full attention, leaves it alone), too. The method
    scores each token by its features and attends to those it chooses. With ``attention="samsa"`` and as many sampled
    as there are tokens it gives what torch's module gives.

    Differences: a query that is padding (in self-attention, where query and key are the same object) or that has
    nothing to attend to gets zeros, not what its content makes of it or NaN; in training the dropout drops a chosen
    token for all queries of a head at once, where torch drops each pair by itself.

    Args:
        embed_dim: Width of the tokens.
        num_heads: Number of heads. A divisor of `embed_dim`.
        dropout: Probability that a chosen token is dropped, at least 0 and less than 1.
        bias: Whether the projections have one.
        add_bias_kv: False; nothing else has an equivalent.
        add_zero_attn: False; nothing else has an equivalent.
        kdim: Width of the keys. None or `embed_dim`: method and projections take tokens of one width.
        vdim: Width of the values. None or `embed_dim`.
        batch_first: Whether tensors are ``(batch, tokens, width)`` and not ``(tokens, batch, width)``.
        device: Device of the parameters.
        dtype: Dtype of the parameters.
        attention: Name of the method in `ATTENTIONS`, or an import path.
        settings: Further arguments of the method, such as ``sampled=256``; see `SamsaAttention`, `SftAttention` and
            `YosoAttention`.

    Attributes:
        attention: Sampler and mixing of the method; ``attention.sampler.noise_scale`` is what a schedule changes.

    Raises:
        InputError: if an argument does not exist, is outside what it allows, or has no equivalent.

    Example:
        >>> layer = SampledMultiheadAttention(8, 2, sampled=3, batch_first=True).eval()
        >>> tokens = torch.zeros(1, 5, 8)
        >>> layer(tokens, tokens, tokens)[0].shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        attention: str = "samsa",
        **settings: Any,
    ) -> None:
        _check_arguments(embed_dim, num_heads, dropout, add_bias_kv, add_zero_attn, kdim, vdim)
        method = ATTENTIONS.resolve(attention, "attention")
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=batch_first, device=device, dtype=dtype)
        # By this mark torch's layers know that their fast path, full attention with these weights, is none for it.
        self._qkv_same_embed_dim = False
        with torch.device(self.in_proj_weight.device):
            parts = projected_attention(
                method, embed_dim, num_heads, settings, f"attention {attention!r}", self.in_proj_weight.dtype
            )
        self.attention = parts
        self._start_projections()

    @classmethod
    def of(cls: type[Self], module: nn.MultiheadAttention, attention: str = "samsa", **settings: Any) -> Self:
        """A layer with the weights of an existing module.

        The parameters are the module's own, not copies: an optimizer that has them keeps training them. The method's
        are new; add them to the optimizer.

        Args:
            module: Module of torch.
            attention: Name of the method.
            settings: Further arguments of the method.

        Raises:
            InputError: if the module has something that has no equivalent, or as the constructor.

        Example:
            >>> SampledMultiheadAttention.of(torch.nn.MultiheadAttention(8, 2), sampled=3).num_heads
            2
        """
        if type(module) is not nn.MultiheadAttention:
            raise InputError(f"module is a {type(module).__name__}, expected torch.nn.MultiheadAttention itself")
        weight = module.in_proj_weight if module._qkv_same_embed_dim else module.q_proj_weight
        made = cls(
            module.embed_dim,
            module.num_heads,
            module.dropout,
            module.in_proj_bias is not None,
            module.bias_k is not None,
            module.add_zero_attn,
            module.kdim,
            module.vdim,
            module.batch_first,
            weight.device,
            weight.dtype,
            attention=attention,
            **settings,
        )
        made.in_proj_weight, made.in_proj_bias = module.in_proj_weight, module.in_proj_bias
        made.out_proj = module.out_proj
        return made.train(module.training)

    def _reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.in_proj_weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                nn.init.zeros_(bias)
        if "attention" in self._modules:  # torch's constructor calls it before
            self.attention.reset_parameters()
            self._start_projections()

    def reset_parameters(self) -> None:
        """Starts all parameters anew, those of the method, too."""
        self._reset_parameters()

    @torch.no_grad()
    def _start_projections(self) -> None:
        if self.attention.mixing.standardised:
            for start in (0, self.embed_dim):
                rows = slice(start, start + self.embed_dim)
                standardised_(self.in_proj_weight[rows], None if self.in_proj_bias is None else self.in_proj_bias[rows])

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Attends.

        Args:
            query: Tokens that attend, ``(n, b, d)``, ``(b, n, d)`` with `batch_first`, or ``(n, d)``.
            key: Tokens that are scored and attended to.
            value: What they give. As many as keys.
            key_padding_mask: ``(b, m)`` or ``(m,)``: True, or −inf in a floating-point mask, where a key is padding.
            need_weights: False: weights of all pairs are what is not computed. Unlike torch's, the default is False.
            attn_mask: None: a mask of pairs has no equivalent where only some keys are looked at.
            average_attn_weights: No meaning without weights.
            is_causal: False, for the same reason.

        Returns:
            One vector a query, in the layout of the query; and None in the place of the weights.

        Raises:
            InputError: if what is given has no equivalent or not the expected shape.
            NonFiniteScores: if the method's scores are NaN or infinite.
        """
        self._check_call(query, key, value, need_weights, attn_mask, is_causal)
        inputs = self._batched(query, key, value)
        mask = self._mask(key_padding_mask, inputs[1], batched=query.ndim == 3)
        context = Tokens(inputs[1], mask).without_padding()
        tokens = context if key is query else Tokens(inputs[0])
        values = context.features
        if value is not key:
            values = Tokens(inputs[2], mask).without_padding().features
        choice, noise = self.attention.choose(context, None if key is query else tokens)
        result = attend(
            self.attention.mixing,
            self._keys(context.features, values, choice),
            tokens,
            project=lambda features: self._project(features, 0),
            output=self.out_proj,
            noise=noise,
        )
        if query.ndim == 2:
            return result[0], None
        return (result if self.batch_first else result.transpose(0, 1)), None

    def _check_call(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool, attn_mask: Tensor | None, causal: bool
    ) -> None:
        if need_weights:
            raise InputError("need_weights is True, expected False: weights of all pairs are not computed")
        if attn_mask is not None or causal:
            name = "is_causal is True, expected False" if attn_mask is None else "attn_mask is given, expected None"
            raise InputError(f"{name}: all queries of a head attend to one sample of the keys, whatever their pair")
        for name, given in (("query", query), ("key", key), ("value", value)):
            if given.is_nested:
                raise InputError(
                    f"{name} is a nested tensor, expected a padded one: set use_nested_tensor = False of the encoder, "
                    "as swap does"
                )
            if given.ndim not in (2, 3) or given.ndim != query.ndim or given.shape[-1] != self.embed_dim:
                raise InputError(
                    f"{name} has shape {tuple(given.shape)}, expected {query.ndim if query.ndim in (2, 3) else 3} "
                    f"dimensions, the last of embed_dim = {self.embed_dim}"
                )
        if key.shape != value.shape:
            raise InputError(f"value has shape {tuple(value.shape)}, expected the key's, {tuple(key.shape)}")

    def _batched(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Query, key and value as ``(b, n, d)``."""
        if query.ndim == 2:
            return [given[None] for given in (query, key, value)]
        inputs = [query, key, value] if self.batch_first else [each.transpose(0, 1) for each in (query, key, value)]
        if inputs[0].shape[0] != inputs[1].shape[0]:
            raise InputError(f"key has a batch of {inputs[1].shape[0]}, expected the query's, {inputs[0].shape[0]}")
        return inputs

    def _mask(self, given: Tensor | None, key: Tensor, *, batched: bool) -> Tensor | None:
        """True where a key is real, ``(b, m)``."""
        if given is None:
            return None
        expected = tuple(key.shape[:2]) if batched else (key.shape[1],)
        if tuple(given.shape) != expected:
            raise InputError(f"key_padding_mask has shape {tuple(given.shape)}, expected {expected}")
        return ~padding_of(given if batched else given[None])

    def _project(self, features: Tensor, part: int) -> Tensor:
        """Queries (part 0), keys (1) or values (2) of tokens."""
        bias = None if self.in_proj_bias is None else self.in_proj_bias.chunk(3)[part]
        return F.linear(features, self.in_proj_weight.chunk(3)[part], bias)

    def _keys(self, key: Float[Tensor, "b m d"], value: Float[Tensor, "b m d"], choice: Choice) -> Keys:
        length, parts = key.shape[1], self.attention
        leak = None if parts.leak is None else parts.leak(key).transpose(1, 2)
        if not parts.sampler.selects:
            of_key, of_value = (
                split_heads(self._project(given, part), self.num_heads) for part, given in ((1, key), (2, value))
            )
            return parts.keys(choice, of_key, of_value, leak, length, self.dropout)
        if leak is not None:
            leak = candidates_of_heads(leak[..., None], choice.indices, length)[..., 0]
        if key is value:
            of_key, of_value = self._candidates(key, choice.indices, [1, 2]).chunk(2, dim=-1)
        else:
            of_key, of_value = (
                self._candidates(given, choice.indices, [part]) for part, given in ((1, key), (2, value))
            )
        return parts.keys(choice, of_key, of_value, leak, length, self.dropout)

    def _candidates(self, features: Tensor, indices: Int64[Tensor, "b g m"], of: list[int]) -> Float[Tensor, "b h m c"]:
        """Keys (part 1) and values (part 2) of the candidates, for each head; nothing of the other tokens is made."""
        groups, length = indices.shape[1], features.shape[1]

        def by_group(rows: Tensor) -> Tensor:
            of_heads = torch.cat([rows.chunk(3)[part].unflatten(0, (self.num_heads, -1)) for part in of], dim=1)
            return of_heads.unflatten(0, (groups, -1)).flatten(1, 2)

        bias = None if self.in_proj_bias is None else by_group(self.in_proj_bias)
        features = features if length else F.pad(features, (0, 0, 0, 1))
        known = indices.clamp(max=max(length, 1) - 1)
        weight = by_group(self.in_proj_weight)
        carried = project_chosen(features, known, weight, bias, kernel=self.attention.kernel)
        return carried.unflatten(-1, (self.num_heads // groups, -1)).transpose(2, 3).flatten(1, 2)


def _check_arguments(
    embed_dim: int,
    num_heads: int,
    dropout: float,
    add_bias_kv: bool,
    add_zero_attn: bool,
    kdim: int | None,
    vdim: int | None,
) -> None:
    if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
        raise InputError(f"num_heads is {num_heads}, expected a divisor of embed_dim = {embed_dim}, both at least 1")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout}, expected at least 0 and less than 1")
    for name, given in (("add_bias_kv", add_bias_kv), ("add_zero_attn", add_zero_attn)):
        if given:
            raise InputError(f"{name} is True, expected False: {_WITHOUT_EQUIVALENT[name]} has no equivalent here")
    for name, width in (("kdim", kdim), ("vdim", vdim)):
        if width is not None and width != embed_dim:
            raise InputError(
                f"{name} is {width}, expected embed_dim = {embed_dim}: the method projects tokens of one width"
            )
