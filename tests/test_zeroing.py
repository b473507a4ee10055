"""Zeros in the place of padding: the same as torch's filling, in value and every gradient, at any price of a call."""

import pytest
import torch

from sampleformer.zeroing import zeroed


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 1), (37, 61, 13)], ids=["few", "many"])
def test_it_is_masked_fill_bit_for_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.randn(shape).to(dtype)
    values[0, 0] = torch.nan
    values[-1, -1] = -torch.inf
    values.requires_grad_()
    keep = torch.rand(*shape[:2], 1) < 0.5
    keep[0, 0] = False
    found, expected = zeroed(values, keep), values.masked_fill(~keep, 0)
    assert torch.equal(found, expected)
    gradient = torch.randn(shape).to(dtype).mT.contiguous().mT  # of another layout
    assert torch.equal(*(torch.autograd.grad(each, values, gradient)[0] for each in (found, expected)))


def test_other_layouts_and_masks_of_every_shape() -> None:
    values = torch.randn(40, 30, 20).transpose(0, 2)
    for shape in ((20, 30, 40), (20, 30, 1), (1, 30, 1), (1, 1, 1)):
        keep = torch.rand(shape) < 0.5
        assert torch.equal(zeroed(values, keep), values.masked_fill(~keep, 0))


def test_derivatives_of_every_kind() -> None:
    torch.manual_seed(0)
    keep = torch.rand(20, 30, 1) < 0.5
    values = torch.randn(20, 30, 30, dtype=torch.float64)  # enough for the fast form
    tangent = torch.randn_like(values)
    found = torch.autograd.functional.jvp(lambda x: zeroed(x, keep) ** 3, values, tangent)[1]
    torch.testing.assert_close(found, (3 * values**2 * tangent).masked_fill(~keep, 0))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(values, tangent)
        forward = torch.autograd.forward_ad.unpack_dual(zeroed(dual, keep)).tangent
    torch.testing.assert_close(forward, tangent.masked_fill(~keep, 0))
    values.requires_grad_()
    (first,) = torch.autograd.grad((zeroed(values, keep) ** 3).sum(), values, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), values)
    torch.testing.assert_close(second, (6 * values).masked_fill(~keep, 0))


def test_integers_and_transforms() -> None:
    keep = torch.rand(200, 100) < 0.5
    codes = torch.arange(20000).view(200, 100)
    assert torch.equal(zeroed(codes, keep), codes.masked_fill(~keep, 0))
    values = torch.randn(3, 200, 100)
    assert torch.equal(torch.func.vmap(lambda each: zeroed(each, keep))(values), values.masked_fill(~keep, 0))
    gradient = torch.func.grad(lambda each: zeroed(each, keep).sum())(values[0])
    assert torch.equal(gradient, keep.float())
