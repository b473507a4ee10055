"""Dataclasses of tensors as nodes of torch's trees, so that they travel through the compiler and `torch.export`."""

from dataclasses import fields
from typing import TypeVar

from torch.fx import _pytree as fx_pytree
from torch.utils import _pytree as pytree

AnyClass = TypeVar("AnyClass", bound=type)


def tree_node(cls: AnyClass) -> AnyClass:
    """Makes a dataclass a node of torch's trees, with its fields as children in the order of their definition.

    Example:
        >>> from dataclasses import dataclass
        >>> @tree_node
        ... @dataclass(frozen=True)
        ... class Pair:
        ...     left: int
        ...     right: int
        >>> pytree.tree_map(lambda leaf: 2 * leaf, Pair(3, 4)).right
        8
    """
    names = tuple(field.name for field in fields(cls))
    pytree.register_pytree_node(
        cls,
        lambda node: ([getattr(node, name) for name in names], None),
        lambda children, _: cls(*children),
        serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        flatten_with_keys_fn=lambda node: ([(pytree.GetAttrKey(name), getattr(node, name)) for name in names], None),
    )
    # Exported programs of torch 2.6 take their arguments apart in a way of their own.
    fx_pytree.register_pytree_flatten_spec(cls, lambda node, _: [getattr(node, name) for name in names])
    return cls
