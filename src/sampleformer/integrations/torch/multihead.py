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
from sampleformer.integrations.torch.checks import check_arguments, check_call
from sampleformer.kernels.projection import project_chosen
from sampleformer.ragged import by_size
from sampleformer.tokens import Tokens
from sampleformer.tracing import has_values

Self = TypeVar("Self", bound="SampledMultiheadAttention")


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
        by_size: Whether rows of a padded batch that are of very different lengths are attended to apart, in groups by
            powers of two, in self-attention: the same result, and no row costs more than twice its length. The lengths
            are read each time; a program being compiled takes the batch as it is.
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
        by_size: bool = False,
        **settings: Any,
    ) -> None:
        check_arguments(embed_dim, num_heads, dropout, add_bias_kv, add_zero_attn, kdim, vdim)
        method = ATTENTIONS.resolve(attention, "attention")
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=batch_first, device=device, dtype=dtype)
        # By this mark torch's layers know that their fast path, full attention with these weights, is none for it.
        self._qkv_same_embed_dim = False
        with torch.device(self.in_proj_weight.device):
            parts = projected_attention(
                method, embed_dim, num_heads, settings, f"attention {attention!r}", self.in_proj_weight.dtype
            )
        self.attention = parts
        self.by_size = by_size
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
        self.out_proj.reset_parameters()  # torch's own reset leaves its weight as the layer's constructor made it
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
        check_call(self.embed_dim, query, key, value, need_weights, attn_mask, is_causal)
        inputs = self._batched(query, key, value)
        mask = self._mask(key_padding_mask, inputs[1], batched=query.ndim == 3)
        if key is query and self.by_size and mask is not None and has_values(mask):
            result = self._attend_by_size(inputs[1], inputs[2], mask, same=value is key)
        else:
            result = self._attend_all(inputs, mask, own=key is query, same=value is key)
        if query.ndim == 2:
            return result[0], None
        return (result if self.batch_first else result.transpose(0, 1)), None

    def _attend_all(self, inputs: list[Tensor], mask: Tensor | None, *, own: bool, same: bool) -> Tensor:
        """One vector a query.

        Args:
            inputs: Query, key and value, each ``(b, n, d)``.
            mask: True where a key is real.
            own: Whether query and key are the same.
            same: Whether key and value are the same.
        """
        context = Tokens(inputs[1], mask).without_padding()
        values = context.features if same else Tokens(inputs[2], mask).without_padding().features
        tokens = context if own else Tokens(inputs[0])
        choice, noise = self.attention.choose(context, None if own else tokens)
        return attend(
            self.attention.mixing,
            self._keys(context.features, values, choice),
            tokens,
            project=lambda features: self._project(features, 0),
            output=self.out_proj,
            noise=noise,
        )

    def _attend_by_size(self, key: Tensor, value: Tensor, mask: Tensor, *, same: bool) -> Tensor:
        """The same in self-attention, rows of similar lengths at a time."""
        places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        lengths = (mask * places).amax(1).tolist() if mask.shape[1] else []
        results = []
        for group in by_size(lengths):
            rows, longest = torch.tensor(group, device=mask.device), max(lengths[row] for row in group)
            keys, values = (each[:, :longest][rows] for each in (key, value))
            some = mask[:, :longest][rows]
            results.append((rows, self._attend_all([keys, keys, values], some, own=True, same=same)))
        result = results[0][1].new_zeros(key.shape) if results else torch.zeros_like(key)
        for rows, part in results:
            result[rows, : part.shape[1]] = part
        return result

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
