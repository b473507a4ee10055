"""Weights of a method in each attention module of a model of transformers, before its own are loaded."""

import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS
from sampleformer.attention.projected import ProjectedAttention, projected_attention
from sampleformer.errors import InputError, shown
from sampleformer.integrations.huggingface.interface import padding_mask, sampled_forward
from sampleformer.modules import reset_parameters

METHODS = ("samsa", "sft", "yoso")
"""Names of the methods, for `attn_implementation` and for their settings in a configuration."""

_HEADS = ("num_attention_heads", "num_heads", "n_heads", "encoder_attention_heads")
_HEAD_WIDTHS = ("head_dim", "attention_head_size")
_WIDTHS = ("hidden_size", "embed_dim", "dim", "d_model")


def has_transformers() -> bool:
    """Whether transformers is installed, and new enough for other attentions than its own."""
    try:
        return int(version("transformers").partition(".")[0]) >= 5
    except PackageNotFoundError:
        return False


def register() -> None:
    """Makes the methods known to transformers, as values of `attn_implementation`.

    `PreTrainedModel` gets four additions: a model that is begun is looked at (`check_classes`), one that is built gets
    the weights of its method (`attach`), what starts new weights starts these in their own way, and
    `set_attn_implementation` attaches, too. Models with another attention are left as they are. Configurations have the
    methods' names as attributes, so that ``from_pretrained`` takes settings: ``samsa={"sampled": 64}``.
    """
    from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedConfig, PreTrainedModel
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    if "samsa" in AttentionInterface._global_mapping:
        return
    mask = padding_mask(sdpa_mask, bidirectional_mask_function)
    for method in METHODS:
        AttentionInterface.register(method, sampled_forward(method, sdpa_attention_forward))
        AttentionMaskInterface.register(method, mask)
        setattr(PreTrainedConfig, method, None)
    _extend(PreTrainedModel)


def attach(model: nn.Module) -> int:
    """Gives each attention module of a model the weights of its method, and says how many have some.

    Their place in the model is that of the attention module, their name that of the method. The settings are what the
    configuration has under that name: ``config.samsa = {"sampled": 64}``.

    Args:
        model: `transformers.PreTrainedModel`, with a method as the `attn_implementation` of its configuration or of one
            inside it.

    Raises:
        InputError: if an attention of the model cannot be replaced: it is causal, it does not go through the attention
            interface, or its heads are not known; or if all of them are local. Or if a setting does not exist or is
            refused.
    """
    found = local = 0
    for name, module in list(model.named_modules()):
        if not _uses_interface(type(module)):
            continue
        method = _method(getattr(module, "config", model.config))
        if method is None:
            continue
        found += 1
        if getattr(module, "sliding_window", None) is not None:
            local += 1
            continue  # a local layer stays what it is; parameters without use would stop training in parallel
        if not isinstance(getattr(module, method, None), ProjectedAttention):
            setattr(module, method, _parts_for(module, getattr(module, "config", model.config), method, name))
    wanted = _method(model.config)
    if wanted is not None:
        _check_all_replaced(model, wanted, found, local)
    return found


def _method(config: Any) -> str | None:
    wanted = getattr(config, "_attn_implementation", None)
    return wanted if isinstance(wanted, str) and wanted in METHODS else None


def _uses_interface(kind: type[nn.Module]) -> bool:
    """Whether the forward of a class looks its attention up in the interface."""
    code = getattr(inspect.unwrap(kind.forward), "__code__", None)
    return code is not None and "ALL_ATTENTION_FUNCTIONS" in code.co_names


def _parts_for(module: nn.Module, config: Any, method: str, name: str) -> ProjectedAttention:
    """Weights of a method for one attention module; on the meta device within its context, else started."""
    kind = type(module).__name__
    where, given = f"{name} ({kind})", f"attn_implementation={method!r}"
    if getattr(module, "is_causal", False):
        raise InputError(f"{where} is causal, expected an encoder with {given}: all queries of a head see one sample")
    if hasattr(module, "has_relative_attention_bias"):
        raise InputError(f"{where} adds biases to pairs, expected an attention without them with {given}")
    heads, width = _heads_of(module, config), None
    if heads is not None:
        width = _width_of(module, config, heads)
    if heads is None or width is None:
        raise InputError(f"{where}: its heads and their width are not known, so {method} cannot take its place")
    settings = getattr(config, method, None)
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise InputError(f"config.{method} is {shown(settings)}, expected settings by name, such as {{'sampled': 64}}")
    like = next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))
    with torch.device(like.device):
        parts = projected_attention(ATTENTIONS[method], width, heads, settings, f"config.{method}", like.dtype)
    return parts.train(module.training)


def _heads_of(module: nn.Module, config: Any) -> int | None:
    return _first(_HEADS, module, config)


def _width_of(module: nn.Module, config: Any, heads: int) -> int | None:
    of_head = _first(_HEAD_WIDTHS, module, config)
    if of_head is not None:
        return heads * of_head
    return _first(_WIDTHS, module, config)


def _first(names: tuple[str, ...], *owners: Any) -> int | None:
    """First of these attributes that is a number."""
    values = (getattr(owner, name, None) for owner in owners for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


def check_classes(model: nn.Module) -> None:
    """Refuses a method before transformers looks for it among classes of attentions, where it is not.

    Args:
        model: `transformers.PreTrainedModel` whose layers have not been made yet.

    Raises:
        InputError: if its module has a class for each attention, by name.
    """
    method = _method(model.config)
    if method is None:
        return
    for name, value in vars(sys.modules[type(model).__module__]).items():
        if isinstance(value, dict) and _is_attention(value.get("eager")):
            raise _refusal(model, method, f"it takes its attention from {name}, not")


def _is_attention(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _check_all_replaced(model: nn.Module, method: str, found: int, local: int) -> None:
    other = next(_other_attentions(model), None)
    if other is not None:
        raise _refusal(model, method, f"its {other} does not go")
    if not found:
        raise _refusal(model, method, "it has no attention that goes")
    if local == found:
        raise InputError(
            f"{type(model).__name__}: attn_implementation={method!r} would change nothing: each of its layers sees a "
            "sliding window, and stays what it is"
        )


def _refusal(model: nn.Module, method: str, what: str) -> InputError:
    return InputError(
        f"{type(model).__name__}: attn_implementation={method!r} cannot be used: {what} through transformers' "
        "attention interface"
    )


def _other_attentions(model: nn.Module) -> Iterator[str]:
    """Classes of attentions that do not go through the interface, nor hold or belong to one that does."""
    for child in model.children():
        kind = type(child).__name__
        if _uses_interface(type(child)) or (isinstance(child, nn.MultiheadAttention) and _pools(model)):
            continue
        inside = any(_uses_interface(type(module)) for module in child.modules())
        if kind.endswith("Attention") and not inside and next(child.parameters(), None) is not None:
            yield kind
        else:
            yield from _other_attentions(child)


def _pools(model: nn.Module) -> bool:
    """Whether a module makes one vector of all tokens, by one query: there is nothing to save."""
    return "Pooling" in type(model).__name__


def _extend(base: Any) -> None:
    """Adds what `register` says to `PreTrainedModel`."""
    begin, post_init = base.__init__, base.post_init
    start, change = base._initialize_weights, base.set_attn_implementation

    @functools.wraps(begin)
    def with_check(self: Any, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        check_classes(self)

    @functools.wraps(post_init)
    def with_parts(self: Any) -> None:
        attach(self)
        post_init(self)

    @functools.wraps(start)
    def with_own_start(self: Any, module: nn.Module, *further: Any, **named: Any) -> None:
        if isinstance(module, ProjectedAttention):
            start_what_was_not_loaded(module)
        else:
            start(self, module, *further, **named)

    @functools.wraps(change)
    def with_change(self: Any, attn_implementation: Any, *further: Any, **named: Any) -> None:
        wanted = attn_implementation.values() if isinstance(attn_implementation, dict) else [attn_implementation]
        if not any(each in METHODS for each in wanted):
            change(self, attn_implementation, *further, **named)
            return
        if not self._can_set_attn_implementation():
            raise InputError(
                f"{type(self).__name__}: its attention does not go through transformers' attention interface, expected "
                f"one that does with attn_implementation={attn_implementation!r}"
            )
        before = self.config._attn_implementation
        change(self, attn_implementation, *further, **named)
        try:
            attach(self)
        except InputError:
            change(self, before)
            raise

    base.__init__, base.post_init = with_check, with_parts
    base._initialize_weights, base.set_attn_implementation = with_own_start, with_change


@torch.no_grad()
def start_what_was_not_loaded(parts: nn.Module) -> None:
    """Starts weights that transformers has not loaded as they want to be, not as it starts those of its own layers.

    Args:
        parts: Module that can start itself anew, see `modules.reset_parameters`.
    """
    tensors: list[Tensor] = [*parts.parameters(), *parts.buffers()]
    loaded = [(each, each.clone()) for each in tensors if getattr(each, "_is_hf_initialized", False)]
    if len(loaded) == len(tensors):
        return
    reset_parameters(parts)
    for tensor, value in loaded:
        tensor.copy_(value)
