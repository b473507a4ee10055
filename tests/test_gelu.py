"""GELU: torch's numbers and gradients, whatever way they are made."""

import pytest
import torch
import torch.nn.functional as F

from sampleformer.gelu import GELU


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 7, 6), (1, 1, 3), (0, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_numbers_and_gradients_are_those_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    features = torch.randn(shape, dtype=dtype, requires_grad=True)
    upstream = torch.randn(shape, dtype=dtype)
    found, expected = GELU()(features), F.gelu(features)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(each, features, upstream)[0] for each in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_gradcheck() -> None:
    features = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(GELU(), (features,))
    assert torch.autograd.gradgradcheck(GELU(), (features,))
