"""How the weights are called, there and here."""

from collections.abc import Mapping

import torch
from torch import Tensor

_TABLES = {"words": "word_embeddings", "places": "position_embeddings", "types": "token_type_embeddings"}
# Weight and bias of each: ours, and theirs, of which several are stacked to make ours.
_LAYER = {
    "attention.query": ["attention.self.query"],
    "attention.key_value": ["attention.self.key", "attention.self.value"],
    "attention.output": ["attention.output.dense"],
    "attention_norm": ["attention.output.LayerNorm"],
    "feed_forward.mlp.0": ["intermediate.dense"],
    "feed_forward.mlp.3": ["output.dense"],
    "feed_forward_norm": ["output.LayerNorm"],
}
_CONVOLUTION = ("attention.mixing.convolution.weight", "attention.self.conv.weight")


def names(layers: int, *, convolution: bool) -> dict[str, list[str]]:
    """Each of our weights with the names of theirs, which make ours when they are stacked.

    Args:
        layers: of the model.
        convolution: whether the layers have one.

    Example:
        >>> names(1, convolution=False)["encoder.layers.0.attention.key_value.bias"]
        ['encoder.layer.0.attention.self.key.bias', 'encoder.layer.0.attention.self.value.bias']
    """
    found = {f"embed.{ours}.weight": [f"embeddings.{theirs}.weight"] for ours, theirs in _TABLES.items()}
    for kind in ("weight", "bias"):
        found[f"embed.norm.{kind}"] = [f"embeddings.LayerNorm.{kind}"]
        for layer in range(layers):
            found |= {
                f"encoder.layers.{layer}.{ours}.{kind}": [f"encoder.layer.{layer}.{each}.{kind}" for each in theirs]
                for ours, theirs in _LAYER.items()
            }
    if convolution:
        ours, single = _CONVOLUTION
        found |= {f"encoder.layers.{layer}.{ours}": [f"encoder.layer.{layer}.{single}"] for layer in range(layers)}
    return found


def to_theirs(ours: Mapping[str, Tensor], layout: Mapping[str, list[str]]) -> dict[str, Tensor]:
    """Our tensors, or the parts of them, under their names.

    Args:
        ours: by name: weights, or gradients of weights; what the layout does not name is left out.
        layout: from `names`.
    """
    return {
        name: part
        for own, several in layout.items()
        for name, part in zip(several, ours[own].chunk(len(several)), strict=True)
    }


def to_ours(theirs: Mapping[str, Tensor], layout: Mapping[str, list[str]]) -> dict[str, Tensor]:
    """Their tensors under our names.

    Args:
        theirs: by name, each that the layout names.
        layout: from `names`.
    """
    return {own: torch.cat([theirs[name] for name in several]) for own, several in layout.items()}
