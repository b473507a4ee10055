"""Dropout whose random bits do not cost more than the layer."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int16
from torch import Tensor

from sampleformer.distributed.over_shards import drawn
from sampleformer.distributed.streams import in_turn, rows_apart
from sampleformer.distributed.token_shards import current_shard
from sampleformer.tracing import has_values
from sampleformer.zeroing import word_type

_LEVELS = 2**16


def dropout(features: Float[Tensor, "*shape"], probability: float, training: bool) -> Float[Tensor, "*shape"]:
    """Sets a random share of the features to zero in training and scales the others up, so that the mean stays.

    On CPUs torch draws a whole random number for each feature, which took a fifth of a training step. Here each feature
    gets 16 bits of a word of NumPy's fastest generator, which torch's seeds; a probability is met to within 2⁻¹⁷.
    Elsewhere, and while tracing, torch's own is used.

    Args:
        features: anything.
        probability: share set to zero, at least 0 and less than 1.
        training: whether to do anything at all.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15, section 4.

    Example:
        >>> dropout(torch.ones(3), 0.5, training=False)
        tensor([1., 1., 1.])
    """
    if not training or probability == 0:
        return features
    shard = current_shard()
    if shard is not None and features.ndim == 3 and features.shape[1] == shard.length:
        return features * _own_factors(features, probability)
    return _dropped(features, probability)


def _dropped(features: Tensor, probability: float) -> Tensor:
    rows = None if torch.compiler.is_compiling() else rows_apart(features)
    if features.device.type != "cpu" or not has_values(features):
        if rows is None:
            return F.dropout(features, probability)
        return torch.cat([F.dropout(part, probability) for part in in_turn(features.split(rows, 1))], 1)
    if rows is None:
        mask = random_mask(features.shape, 1 - probability)
    else:  # each chunk has its own random numbers
        shapes = [torch.Size([1, count, *features.shape[2:]]) for count in rows]
        mask = torch.cat([random_mask(shape, 1 - probability) for shape in in_turn(shapes)], 1)
    result: Tensor = _Dropped.apply(features, mask, 1 / (1 - probability))
    return result


def _own_factors(features: Tensor, probability: float) -> Tensor:
    """What the features of this rank's tokens are multiplied by, where other ranks have the other tokens."""
    b, n, width = features.shape
    return drawn(lambda length: _dropped(features.new_ones(b, length, width), probability), n, dim=1)


def random_mask(shape: torch.Size, probability: float) -> Int16[Tensor, "*shape"]:
    """All bits set with a probability, else none, independently at each place; seeded by torch's global generator.

    Args:
        shape: Shape of the mask.
        probability: Probability, met to within 2⁻¹⁷.
    """
    numbers = shape.numel()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    words = torch.from_numpy(np.random.SFC64(seed).random_raw((numbers + 3) // 4).view(np.int16)[:numbers])
    threshold = round(probability * _LEVELS) - _LEVELS // 2
    # Numbers, since what is made of truth values takes several times as long.
    return torch.lt(words, threshold, out=torch.empty(numbers, dtype=torch.int16)).neg_().view(shape)


class _Dropped(torch.autograd.Function):
    """``scale · features`` where all bits of the mask are set, else 0; a backward pass keeps two bytes a feature."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.save_for_forward(mask)
        ctx.scale = scale
        return _scaled(features, mask, scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return _Dropped.apply(gradient, mask, ctx.scale), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (mask,) = ctx.saved_tensors
        return _scaled(tangent, mask, ctx.scale)


def _scaled(features: Tensor, mask: Tensor, scale: float) -> Tensor:
    words = word_type(features)
    return (features.view(words) & mask.to(words)).view(features.dtype).mul_(scale)
