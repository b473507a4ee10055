"""Functions that transformers calls in the place of its own attention and of its own mask."""

import logging
import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sampleformer.attention.attending import attend
from sampleformer.attention.projected import ProjectedAttention, candidates_of_heads, padding_of
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens
from sampleformer.tracing import is_readable

log = logging.getLogger("sampleformer")

_REFUSED = {
    "position_bias": "biases of pairs have no equivalent where only some keys are looked at",
    "softcap": "scores of pairs are not changed here",
    "s_aux": "attention sinks of the model have no equivalent",
    "output_attentions": "weights of all pairs are not computed",
}
_warned: set[tuple[str, str]] = set()


def sampled_forward(method: str, sdpa: Callable[..., Any]) -> Callable[..., tuple[Tensor, None]]:
    """Attention function of one method, as `transformers.AttentionInterface` takes them.

    Args:
        method: Name that it is registered under, and that of the part which `attach` gave each attention module.
        sdpa: Attention function of transformers for layers that are local or have a mask of pairs.
    """

    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        is_causal: bool | None = None,
        sliding_window: int | None = None,
        **further: Any,
    ) -> tuple[Tensor, None]:
        _check_call(module, method, query, is_causal, further)
        padding = _padding(attention_mask)
        if sliding_window is not None or (attention_mask is not None and padding is None):
            if sliding_window is None:
                _warn_of_pairs(module, method)
            options = {"scaling": scaling, "dropout": dropout, "is_causal": False}
            result: tuple[Tensor, None] = sdpa(module, query, key, value, attention_mask, **options, **further)
            return result
        parts = _parts(module, method, query, key)
        if key.shape[1] != query.shape[1]:
            key, value = (each.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for each in (key, value))
        return _attend(parts, query, key, value, padding, scaling, dropout), None

    return forward


def padding_mask(sdpa_mask: Callable[..., Tensor | None], bidirectional: Callable[..., Any]) -> Callable[..., Any]:
    """Mask function for all methods, as `transformers.AttentionMaskInterface` takes them.

    Where nothing but padding is masked it gives ``(b, n)``, True where a token is real, in the place of a mask of all
    pairs; for other masks what transformers makes for sdpa.

    Args:
        sdpa_mask: Mask function of transformers for sdpa.
        bidirectional: Function of pairs by which transformers says that every pair may attend.
    """

    def mask(*positional: Any, **given: Any) -> Tensor | None:
        padding = given.get("attention_mask")
        if given.get("mask_function") is not bidirectional or (padding is not None and padding.ndim != 2):
            return sdpa_mask(*positional, **given)
        if padding is None:
            return None
        start, length = given.get("kv_offset", 0), given["kv_length"]
        real: Tensor = padding[:, start : start + length].bool()
        return None if is_readable(real) and bool(real.all()) else real

    return mask


def _check_call(module: nn.Module, method: str, query: Tensor, is_causal: bool | None, further: dict[str, Any]) -> None:
    kind = type(module).__name__
    causal = getattr(module, "is_causal", False) if is_causal is None else is_causal
    if causal and query.shape[2] > 1:
        raise InputError(f"{kind} is causal, expected an encoder with attn_implementation={method!r}")
    for name, reason in _REFUSED.items():
        if further.get(name) is not None and further[name] is not False:
            raise InputError(f"{kind}: {name} is given, expected none with attn_implementation={method!r}: {reason}")


def _parts(module: nn.Module, method: str, query: Tensor, key: Tensor) -> ProjectedAttention:
    """Weights of the method that `attach` gave the module."""
    kind, parts = type(module).__name__, getattr(module, method, None)
    if not isinstance(parts, ProjectedAttention):
        raise InputError(
            f"{kind} has no weights of {method}: give attn_implementation={method!r} to from_pretrained or "
            f"from_config, or call model.set_attn_implementation({method!r})"
        )
    heads, width = query.shape[1], query.shape[1] * query.shape[3]
    if (parts.heads, parts.width) != (heads, width) or heads % key.shape[1]:
        raise InputError(
            f"{kind} has {heads} heads and a width of {width}, expected {parts.heads} and {parts.width}: {method} "
            "cannot take the place of its attention"
        )
    return parts


def _padding(mask: Tensor | None) -> Tensor | None:
    """True where a key is padding, ``(b, n)``; None where there is no mask or one of pairs."""
    if mask is None:
        return None
    if mask.ndim == 4 and mask.shape[1] == 1 and (mask.shape[2] == 1 or mask.stride(2) == 0):
        mask = mask[:, 0, 0]  # the same for all queries
    if mask.ndim != 2:
        return None
    return padding_of(mask, "attention_mask") if mask.is_floating_point() else ~mask.bool()


def _attend(
    parts: ProjectedAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    padding: Tensor | None,
    scaling: float | None,
    dropout: float,
) -> Tensor:
    """One vector a query and head, ``(b, n, h, e)``."""
    e, length = query.shape[3], key.shape[2]
    factor = 1.0 if scaling is None else scaling * math.sqrt(e)
    if abs(factor - 1) > 1e-6:
        query = query * factor
    # Keys are what is known of the tokens here, so that they are what is scored.
    context = Tokens(key.transpose(1, 2).flatten(2), None if padding is None else ~padding).without_padding()
    tokens = Tokens(query.transpose(1, 2).flatten(2))
    choice, noise = parts.choose(context, None if parts.self_only else tokens)
    leak = None if parts.leak is None else parts.leak(context.features).transpose(1, 2)
    if parts.sampler.selects:
        key, value = (candidates_of_heads(each, choice.indices, length) for each in (key, value))
        if leak is not None:
            leak = candidates_of_heads(leak[..., None], choice.indices, length)[..., 0]
    keys = parts.keys(choice, key, value, leak, length, dropout)
    mixed = attend(parts.mixing, keys, tokens, project=_same, output=_same, noise=noise)
    return mixed.unflatten(-1, (query.shape[1], e))


def _same(features: Tensor) -> Tensor:
    return features


def _warn_of_pairs(module: nn.Module, method: str) -> None:
    """Says once that a layer attends to everything."""
    known = (type(module).__name__, method)
    if known not in _warned:
        _warned.add(known)
        log.warning("%s: the mask is one of pairs, so this call is full attention and not %s", *known)
