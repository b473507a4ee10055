"""Puts sampled attention into a model that is built already."""

from collections.abc import Callable
from typing import Any

from torch import nn

from sampleformer.errors import InputError
from sampleformer.integrations.torch.multihead import SampledMultiheadAttention


def swap(
    model: nn.Module, attention: str = "samsa", *, only: Callable[[str], bool] | None = None, **settings: Any
) -> int:
    """Replaces every `nn.MultiheadAttention` inside a model by one that samples, with the same weights.

    Encoders of torch stop making nested tensors, which their fast path would have needed. A decoder's self-attention
    is causal and cannot be sampled: leave it out with `only`.

    Args:
        model: Model, changed in place.
        attention: Name of the method, see `SampledMultiheadAttention`.
        only: Function that says of a module's dotted name whether it is replaced. None: all are.
        settings: Further arguments of the method, such as ``sampled=256``.

    Returns:
        How many modules were replaced. A module in several places counts once.

    Raises:
        InputError: if there is none to replace, or one has something that has no equivalent; nothing is changed then.

    Example:
        >>> model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 3)
        >>> swap(model, sampled=4)
        3
    """
    if isinstance(model, nn.MultiheadAttention):
        raise InputError("model is the attention itself, expected a model around it; see SampledMultiheadAttention.of")
    replaced = replace_each(
        model,
        lambda module: type(module) is nn.MultiheadAttention,
        lambda module: SampledMultiheadAttention.of(module, attention, **settings),
        named="nn.MultiheadAttention",
        only=only,
    )
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder):
            encoder.enable_nested_tensor = encoder.use_nested_tensor = False
    return replaced


def replace_each(
    model: nn.Module,
    wanted: Callable[[nn.Module], bool],
    make: Callable[[Any], nn.Module],
    *,
    named: str,
    only: Callable[[str], bool] | None = None,
) -> int:
    """Puts another module in every place of those that are wanted; all are made before the first is put there.

    Args:
        model: Model, changed in place.
        wanted: Whether a module is to be replaced.
        make: Makes what takes a module's place.
        named: What the modules are called. For the message.
        only: Function that says of a module's dotted name whether it is replaced. None: all are.

    Returns:
        How many modules were replaced. A module in several places counts once.

    Raises:
        InputError: if there is none, the model is one itself, or one cannot be made; nothing is changed then.
    """
    if wanted(model):
        raise InputError(f"model is {named} itself, expected a model around it")
    found = {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if wanted(module) and (only is None or only(name))
    }
    if not found:
        raise InputError(f"model is a {type(model).__name__} without {named} to replace, expected at least one")
    made: dict[nn.Module, nn.Module] = {}
    for name, module in found.items():
        if module not in made:
            try:
                made[module] = make(module)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
    for name, module in found.items():
        model.set_submodule(name, made[module])
    return len(made)
