"""The parts of the transformer after its embedding: encoder, head, models beside."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from sampleformer.attention import ATTENTIONS, LOCALS
from sampleformer.attention.local import told_local
from sampleformer.attention.relative.build import told_relative
from sampleformer.encoder import Encoder, check_layers
from sampleformer.errors import InputError
from sampleformer.heads import HEADS
from sampleformer.models.base import MODELS, Model
from sampleformer.models.mlp import DescriptorMLP, MLPSettings
from sampleformer.models.transformer_settings import ModelSettings
from sampleformer.sample import LEVELS
from sampleformer.settings import Component, validate


def make_encoder(settings: ModelSettings, inputs: Mapping[str, Any], embed: nn.Module) -> Encoder:
    """The encoder, with the attention and the local part that the settings name.

    Args:
        settings: Settings of the model.
        inputs: What the data says of its tokens.
        embed: Embedding of the model, which says what a local part must know of its tokens.
    """
    attending = check_layers(
        settings.attention.arguments.get("layers"),
        settings.layers,
        settings.local is not None,
        "model.attention.layers",
    )
    sizes = {"width": settings.width, "heads": settings.heads}
    attention = functools.partial(_told(settings.attention, inputs).build, ATTENTIONS, "model.attention", **sizes)
    local = None
    if settings.local is not None:
        told = told_local(settings.local, embed, "model.local")
        local = functools.partial(told.build, LOCALS, "model.local", **sizes)
    return Encoder.of(
        attention,
        width=settings.width,
        layers=settings.layers,
        feedforward=settings.feedforward,
        dropout=settings.dropout,
        stochastic_depth=settings.stochastic_depth,
        residual_scale=settings.residual_scale,
        norm=settings.norm,
        norm_position=settings.norm_position,
        local=local,
        attention_layers=attending,
    )


def _told(attention: Component, inputs: Mapping[str, Any]) -> Component:
    """An attention's settings with what the data tells of its relative terms."""
    arguments = attention.arguments
    arguments.pop("layers", None)  # the encoder's
    if "relative" in arguments:
        arguments["relative"] = told_relative(arguments["relative"], inputs)
    return Component(name=attention.name, **arguments)


def make_head(settings: ModelSettings, inputs: Mapping[str, Any], outputs: int, level: str) -> nn.Module:
    """The head of a level.

    Args:
        settings: Settings of the model.
        inputs: What the data says of its tokens.
        outputs: Number of outputs.
        level: What outputs are for.
    """
    head = HEADS[level]
    known = {"pooling": settings.pooling, "directed": bool(inputs.get("directed", False))}
    taken = inspect.signature(head).parameters
    return head(settings.width, outputs, **{name: value for name, value in known.items() if name in taken})


def make_beside(settings: ModelSettings, inputs: Mapping[str, Any], outputs: int, level: str) -> nn.ModuleList:
    """The models whose outputs are added.

    Args:
        settings: Settings of the model.
        inputs: What the data says of its tokens, and of descriptors of whole samples.
        outputs: Number of outputs.
        level: What outputs are for.

    Raises:
        InputError: if one is no simple model.
    """
    if settings.beside is None:
        described = "descriptors" in inputs and level == LEVELS[0]
        return nn.ModuleList([DescriptorMLP(MLPSettings(), inputs, outputs)] if described else [])
    made: list[Model] = []
    for each in settings.beside:
        kind = MODELS.resolve(each.name, "model.beside.name")
        if issubclass(kind.Settings, ModelSettings):
            raise InputError(f"model.beside.name: {each.name!r} is this model itself, expected a simple one")
        its_settings = validate(kind.Settings, each.model_dump(), at="model.beside.")
        made.append(kind(its_settings, kind.inputs_of(inputs), outputs, level=level))
    return nn.ModuleList(made)
