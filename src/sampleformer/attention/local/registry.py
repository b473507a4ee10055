"""Local parts by name. A new one joins by its entry here."""

from torch import nn

from sampleformer.attention.local.edges import LocalEdges
from sampleformer.attention.local.window import WindowAttention
from sampleformer.errors import InputError, shown
from sampleformer.registry import Registry
from sampleformer.settings import Component

LOCALS: Registry[nn.Module] = Registry(nn.Module, {"window": WindowAttention, "edges": LocalEdges})
"""Modules that take a width, heads and a norm, and when called `Tokens`, and return a vector for each token."""


def told_local(local: Component, embed: nn.Module, setting: str) -> Component:
    """Settings of a local part with what the embedding says of the tokens that it makes.

    Args:
        local: Name and arguments.
        embed: Embedding of the model; an attribute such as ``edge_features`` fills an argument that the user left out.
        setting: Dotted name of the group, for messages.

    Raises:
        InputError: if the embedding does not say it, because its tokens have no edges.

    Example:
        >>> embed = nn.Identity()
        >>> embed.edge_features = 3
        >>> told_local(Component(name="edges"), embed, "model.local")
        Component(name='edges', edge_features=3)
    """
    arguments = local.arguments
    for name in getattr(LOCALS.resolve(local.name, f"{setting}.name"), "told_by_embed", ()):
        if name in arguments:
            continue
        value = getattr(embed, name, None)
        if value is None:
            raise InputError(
                f"{setting}.name: {shown(local.name)} needs tokens with edges, and {type(embed).__name__} makes none; "
                "allowed with model.embed.name graph, and with point_cloud of 1 or more neighbours"
            )
        arguments[name] = value
    return Component(name=local.name, **arguments)
