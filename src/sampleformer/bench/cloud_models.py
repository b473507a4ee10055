"""What `bench clouds` measures: whole models that classify point clouds, ours and their peers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sampleformer.bench.cloud_settings import CloudsSettings
from sampleformer.models import DGCNN, Model, ModelSettings, PointNet, TokenModel
from sampleformer.models.dgcnn import DGCNNSettings
from sampleformer.models.pointnet import PointNetSettings
from sampleformer.settings import Component
from sampleformer.tokens import Tokens

CLASSES = 40
"""Of ModelNet40."""

# What the embedding of our models is told of the data.
INPUTS = {"features": 0, "normals": True}


@dataclass(frozen=True)
class CloudSizes:
    """Sizes of one of our models; the MLP is three times as wide inside.

    Args:
        layers: depth.
        width: d.
        heads: h.
        sampled: k; None: the attention does not sample k tokens.
    """

    layers: int
    width: int
    heads: int
    sampled: int | None = None


SMALL = {
    "samsa": CloudSizes(4, 128, 4, 256),
    "sft": CloudSizes(4, 128, 4, 256),
    "yoso": CloudSizes(4, 128, 4),
    "full": CloudSizes(4, 128, 4),
}
"""What a processor measures in minutes; heads are as wide as the published ones, 32."""

PUBLISHED = {
    "samsa": CloudSizes(6, 256, 8, 512),
    "sft": CloudSizes(8, 256, 8, 256),
    "yoso": CloudSizes(6, 256, 8),
    "full": CloudSizes(6, 256, 8),
}
"""For ModelNet40: SAMSA (arXiv 2408.05391) and SFT (arXiv 2408.05822). The other two are as large as SAMSA."""

PEERS: dict[str, Callable[[], Model]] = {
    "pointnet": lambda: PointNet(PointNetSettings(), INPUTS, CLASSES),
    "dgcnn": lambda: DGCNN(DGCNNSettings(factored=False), INPUTS, CLASSES),
    "dgcnn-factored": lambda: DGCNN(DGCNNSettings(), INPUTS, CLASSES),
}
"""As published, and DGCNN once more with less arithmetic for the same numbers."""

MODELS = (*PUBLISHED, *PEERS)


class TokensOfPoints(nn.Module):
    """A model over tokens; ours see coordinates and normals, the others coordinates alone, as published.

    Args:
        model: from tokens to logits.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, points: Tensor) -> Tensor:
        """Logits of coordinates and normals side by side, ``(b, n, 6)``."""
        points = points.detach()
        nothing = points.new_zeros(*points.shape[:2], 0)
        return self.model(Tokens(nothing, coordinates=points[..., :3], normals=points[..., 3:]))


def sizes_of(name: str, settings: CloudsSettings) -> CloudSizes:
    """The sizes of one of our models: small or published ones, where the settings do not say otherwise.

    Example:
        >>> sizes_of("samsa", CloudsSettings(models=("samsa",), published=True, width=64))
        CloudSizes(layers=6, width=64, heads=8, sampled=512)
    """
    sizes = (PUBLISHED if settings.published else SMALL)[name]
    given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(sizes)}
    if sizes.sampled is None:
        given["sampled"] = None
    return dataclasses.replace(sizes, **{name: value for name, value in given.items() if value is not None})


def build_model(name: str, settings: CloudsSettings) -> nn.Module:
    """A model from points ``(b, n, 6)``, coordinates and normals, to logits ``(b, 40)``.

    Args:
        name: one of `MODELS`.
        settings: of the benchmark.
    """
    model = PEERS[name]() if name in PEERS else TokenModel(_model_settings(name, settings), INPUTS, CLASSES)
    return TokensOfPoints(model).to(settings.device, getattr(torch, settings.dtype))


def _model_settings(name: str, settings: CloudsSettings) -> ModelSettings:
    sizes = sizes_of(name, settings)
    embed: dict[str, Any] = {"invariant": settings.invariant, "neighbours": settings.neighbours}
    arguments: dict[str, Any] = {} if sizes.sampled is None else {"sampled": sizes.sampled}
    if name == "sft":
        arguments |= {"relative": "distance_normals", "token_dropout": 0.1}
    return ModelSettings(
        width=sizes.width,
        layers=sizes.layers,
        heads=sizes.heads,
        feedforward=3 * sizes.width,
        attention=Component(name=name, **arguments),
        embed=Component(name="point_cloud", **embed),
        pooling="max" if name == "sft" else "attention",
        dropout=0.1,
        stochastic_depth=0.1,
        residual_scale=1.0,  # of a model that has learned something; at the start, 0, gradients would be too
    )
