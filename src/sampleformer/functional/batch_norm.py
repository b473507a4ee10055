"""Batch normalisation of tokens of which some are padding."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.distributed.shared_batch import is_counted, summed_over_processes
from sampleformer.tracing import without_autocast
from sampleformer.zeroing import zeroed


def batch_norm(
    features: Float[Tensor, "*rows d"],
    weight: Float[Tensor, "d"],
    bias: Float[Tensor, "d"],
    mask: Bool[Tensor, "*rows"] | None = None,
    epsilon: float = 1e-5,
) -> tuple[Float[Tensor, "*rows d"], Float[Tensor, "d"], Float[Tensor, "d"], Float[Tensor, ""]]:
    """Normalises each feature by its mean and variance over the real tokens.

    ``mean = Σ x / count``, ``variance = Σ (x - mean)² / count``, sums over the real tokens; then ``(x - mean) /
    sqrt(variance + epsilon) · weight + bias``. One real token gives the bias, none gives zero statistics.

    Args:
        features: of all tokens, over which all dimensions but the last one run.
        weight: of each feature.
        bias: of each feature; it stands in the places of padding, whatever these hold.
        mask: True where a token is real. None: all are.
        epsilon: added to the variance.

    Returns:
        The normalised features in their dtype, and the mean, the variance and the count, float32 or wider as they are
        computed.

    Source: Ioffe and Szegedy 2015 (arXiv 1502.03167), algorithm 1.

    Example:
        >>> features, mask = torch.tensor([[3.0], [5.0], [100.0]]), torch.tensor([True, True, False])
        >>> batch_norm(features, torch.ones(1), torch.zeros(1), mask)[1:]
        (tensor([4.]), tensor([1.]), tensor(2.))
    """
    rows = _wide(features).reshape(-1, features.shape[-1])
    if mask is None and rows.shape[0] > 1:
        # One operator with one gradient: a fifth of the time of the sums below and theirs.
        scale, shift = weight.to(rows.dtype), bias.to(rows.dtype)
        normal, mean, inverse = torch.native_batch_norm(rows, scale, shift, None, None, True, 0.0, epsilon)
        variance = (inverse.square().reciprocal() - epsilon).clamp(min=0)
        count = rows.new_ones(rows.shape[0]).sum()  # no number, which a compiled program would keep
        return normal.reshape(features.shape).to(features.dtype), mean, variance, count
    # Twice, because what padding holds may be NaN, and then it holds minus the mean.
    real = torch.ones_like(rows[:, :1], dtype=torch.bool) if mask is None else mask.reshape(-1, 1)
    count = real.sum().to(rows.dtype)
    rows = zeroed(rows, real)
    mean = rows.sum(0) / count.clamp(min=1)
    centered = zeroed(rows - mean, real)
    variance = centered.square().sum(0) / count.clamp(min=1)
    normal = _scaled(centered, variance, weight, bias, epsilon)
    return normal.reshape(features.shape).to(features.dtype), mean, variance, count


def batch_statistics(
    features: Sequence[Float[Tensor, "..."]], masks: Sequence[Bool[Tensor, "..."] | None]
) -> tuple[Float[Tensor, "d"], Float[Tensor, "d"], Float[Tensor, ""]]:
    """Mean and variance of each feature over the real tokens of several tensors, as if they were one.

    Where processes share the batch (`distributed.shared_batch`), the statistics are those of the tokens of all of them.

    Args:
        features: Features of tokens, ``(…, d)`` each; those of padding must be finite.
        masks: True where a token is real, ``(…)`` each. None: all are.

    Returns:
        Mean, variance and count, float32 or wider as they are computed.

    Example:
        >>> one, other = torch.tensor([[3.0], [100.0]]), torch.tensor([[5.0]])
        >>> batch_statistics([one, other], [torch.tensor([True, False]), None])
        (tensor([4.]), tensor([1.]), tensor(2.))
    """
    rows = [_wide(each).reshape(-1, each.shape[-1]) for each in features]
    # Sums as products with zeros and ones: filling the places of padding takes eight times as long.
    real = [
        each.new_ones(each.shape[0]) if mask is None else mask.reshape(-1).to(each.dtype)
        for each, mask in zip(rows, masks, strict=True)
    ]
    if not is_counted():
        real = [torch.zeros_like(each) for each in real]
    with without_autocast(rows[0]):
        sums = torch.stack([ones @ each for ones, each in zip(real, rows, strict=True)]).sum(0)
        count = torch.stack([each.sum() for each in real]).sum()
        total = summed_over_processes(torch.cat([sums, count[None]]))
        count = total[-1]
        few = count.clamp(min=1)
        mean = total[:-1] / few
        squares = [ones @ (each - mean).square() for ones, each in zip(real, rows, strict=True)]
        variance = summed_over_processes(torch.stack(squares).sum(0)) / few
    return mean, variance, count


def normalise_by(
    features: Float[Tensor, "*rows d"],
    mean: Float[Tensor, "d"],
    variance: Float[Tensor, "d"],
    weight: Float[Tensor, "d"],
    bias: Float[Tensor, "d"],
    epsilon: float = 1e-5,
) -> Float[Tensor, "*rows d"]:
    """``(x - mean) / sqrt(variance + epsilon) · weight + bias`` with statistics from elsewhere.

    Args, Returns: as for `batch_norm`.

    Example:
        >>> normalise_by(torch.tensor([[6.0]]), torch.tensor([4.0]), torch.tensor([4.0]), torch.ones(1), torch.zeros(1))
        tensor([[1.0000]])
    """
    return _scaled(_wide(features) - mean, variance, weight, bias, epsilon).to(features.dtype)


def _scaled(centered: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    scale = weight * (variance + epsilon).rsqrt()
    return torch.addcmul(bias.to(centered.dtype), centered, scale.to(centered.dtype))


def _wide(features: Tensor) -> Tensor:
    return features.to(torch.promote_types(features.dtype, torch.float32))
