"""Dropout: the share, the scale, the gradient, and that evaluation does nothing."""

import math

import pytest
import torch

from sampleformer.dropout import Dropout
from sampleformer.functional.dropout import dropout, random_mask


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_share_and_scale(probability: float) -> None:
    torch.manual_seed(0)
    result = dropout(torch.ones(1001, 997), probability, training=True)
    kept = result != 0
    error = math.sqrt(probability * (1 - probability) / kept.numel())
    assert abs(kept.double().mean().item() - (1 - probability)) < 4 * error + 2**-17
    torch.testing.assert_close(result[kept], torch.full_like(result[kept], 1 / (1 - probability)))


def test_places_are_independent() -> None:
    torch.manual_seed(1)
    mask = -random_mask(torch.Size([500_003]), 0.5).double() - 0.5
    for lag in (1, 2, 3, 4, 8):
        correlation = 4 * (mask[lag:] * mask[:-lag]).mean().item()
        assert abs(correlation) < 4 / math.sqrt(mask.numel() - lag)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 63])
def test_gradient_is_the_mask_times_the_scale(length: int) -> None:
    torch.manual_seed(2)
    features = torch.randn(length, dtype=torch.float64, requires_grad=True)
    result = dropout(features, 0.4, training=True)
    (gradient,) = torch.autograd.grad(result.sum(), features)
    torch.testing.assert_close(result, features * gradient)
    assert set(gradient.tolist()) <= {0.0, 1 / 0.6}


def test_same_seed_same_result_and_nothing_in_evaluation() -> None:
    features = torch.randn(7, 5)
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(dropout(features, 0.3, training=True))
    assert torch.equal(*results)
    assert dropout(features, 0.3, training=False) is features
    assert dropout(features, 0.0, training=True) is features


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_the_dtype_stays_and_garbage_is_dropped_too(dtype: torch.dtype) -> None:
    result = dropout(torch.full((1000,), torch.nan, dtype=dtype), 0.5, training=True)
    assert result.dtype == dtype
    assert 400 < int((result == 0).sum()) < 600


def test_compiled_it_drops_too(fresh_compiler: None) -> None:
    compiled = torch.compile(Dropout(0.5), fullgraph=True, backend="aot_eager")
    result = compiled(torch.ones(10_000))
    assert 4_500 < int((result == 0).sum()) < 5_500
    assert bool(((result == 0) | (result == 2)).all())


@pytest.mark.parametrize("probability", [-0.1, 1.0, 1.5])
def test_impossible_probabilities_are_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=f"dropout is {probability}, expected at least 0 and less than 1"):
        Dropout(probability)
