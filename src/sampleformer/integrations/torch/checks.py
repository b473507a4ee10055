"""Arguments of `nn.MultiheadAttention` that have no equivalent, refused with the reason."""

from torch import Tensor

from sampleformer.errors import InputError

_WITHOUT_EQUIVALENT = {
    "add_bias_kv": "a learned key and value that every query sees; extra=… gives samsa learned tokens",
    "add_zero_attn": "a key and value of zeros",
}


def check_arguments(
    embed_dim: int,
    num_heads: int,
    dropout: float,
    add_bias_kv: bool,
    add_zero_attn: bool,
    kdim: int | None,
    vdim: int | None,
) -> None:
    """Refuses what the constructor cannot have."""
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


def check_call(
    embed_dim: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    need_weights: bool,
    attn_mask: Tensor | None,
    causal: bool,
) -> None:
    """Refuses what a call cannot have."""
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
        if given.ndim not in (2, 3) or given.ndim != query.ndim or given.shape[-1] != embed_dim:
            raise InputError(
                f"{name} has shape {tuple(given.shape)}, expected {query.ndim if query.ndim in (2, 3) else 3} "
                f"dimensions, the last of embed_dim = {embed_dim}"
            )
    if key.shape != value.shape:
        raise InputError(f"value has shape {tuple(value.shape)}, expected the key's, {tuple(key.shape)}")
