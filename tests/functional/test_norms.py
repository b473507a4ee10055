"""RMSNorm in blocks against its formula."""

import pytest
import torch

from sampleformer.functional import norms
from sampleformer.functional.norms import rms_norm
from sampleformer.norms import RMSNorm


def formula(features: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return torch.stack([row / ((row * row).mean() + epsilon) ** 0.5 * weight for row in features.flatten(0, -2)])


@pytest.fixture(params=[3, 2048], ids=["three-rows-a-block", "one-block"])
def small_blocks(request, monkeypatch):
    monkeypatch.setattr(norms, "ROWS_PER_BLOCK", request.param)


@pytest.mark.parametrize("shape", [(1, 5), (7, 5), (2, 3, 4, 1), (2, 13, 6)], ids=str)
def test_value_and_gradients_equal_the_formula(shape, small_blocks):
    features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(shape[-1], dtype=torch.float64, requires_grad=True)
    found, expected = rms_norm(features, weight, 1e-3), formula(features, weight, 1e-3).reshape(shape)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    pairs = [torch.autograd.grad(out, (features, weight), upstream) for out in (found, expected)]
    for fast, slow in zip(*pairs, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def test_gradcheck(small_blocks):
    features = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rms_norm, (features, weight))


def test_one_gradient_without_the_other():
    features, weight = torch.randn(7, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    both = torch.autograd.grad(
        rms_norm(features.requires_grad_(), weight.requires_grad_()).square().sum(), (features, weight)
    )
    of_features = torch.autograd.grad(rms_norm(features, weight.detach()).square().sum(), features)
    of_weight = torch.autograd.grad(rms_norm(features.detach(), weight).square().sum(), weight)
    assert torch.equal(both[0], of_features[0])
    assert torch.equal(both[1], of_weight[0])


def test_features_that_are_not_contiguous(small_blocks):
    features = torch.randn(5, 7, 2, dtype=torch.float64).transpose(0, 2).requires_grad_()
    weight = torch.randn(5, dtype=torch.float64)
    found = rms_norm(features, weight)
    torch.testing.assert_close(found, formula(features, weight, 1e-6).reshape(features.shape), rtol=1e-12, atol=1e-12)
    upstream = torch.randn(7, 2, 5, dtype=torch.float64).transpose(0, 1)
    (gradient,) = torch.autograd.grad(found, features, upstream)
    (expected,) = torch.autograd.grad(formula(features, weight, 1e-6).reshape(features.shape), features, upstream)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
def test_lower_precision_keeps_its_dtype_and_is_close(dtype, grad):
    features = torch.randn(2, 63, 32).to(dtype).requires_grad_(grad)
    found = RMSNorm(32).to(dtype)(features)
    expected = formula(features.double(), torch.ones(32).double(), 1e-6).reshape(features.shape)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=1e-6)


def test_rows_of_zeros_stay_zero_with_finite_gradients():
    features = torch.zeros(3, 4, requires_grad=True)
    out = rms_norm(features, torch.ones(4))
    out.sum().backward()
    assert not out.any()
    assert bool(features.grad.isfinite().all())


def test_no_rows():
    features = torch.zeros(2, 0, 4, requires_grad=True)
    rms_norm(features, torch.ones(4)).sum().backward()
    assert features.grad.shape == (2, 0, 4)


def test_the_module_learns_its_weight_and_tells_its_size():
    norm = RMSNorm(6, epsilon=1e-3)
    norm(torch.randn(2, 5, 6)).square().sum().backward()
    assert bool((norm.weight.grad != 0).all())
    assert repr(norm) == "RMSNorm(6, epsilon=0.001)"


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (2, 3, 4)], ids=str)
def test_inverse_rms_is_what_the_norm_multiplies_by(shape):
    features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    expected = formula(features, torch.ones(shape[-1]).double(), 1e-6).reshape(shape)
    torch.testing.assert_close(features * norms.inverse_rms(features), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(norms.inverse_rms, features)


def test_inverse_rms_of_zeros_has_a_finite_gradient():
    features = torch.zeros(3, 4, requires_grad=True)
    norms.inverse_rms(features).sum().backward()
    assert not features.grad.any()
