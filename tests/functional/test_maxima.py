"""Sums of maxima in blocks against every pair and channel."""

import pytest
import torch
from torch import Tensor

from sampleformer.functional import maxima
from sampleformer.functional.maxima import sum_of_maxima

SIZES = [(3, 7, 5, 4), (1, 1, 1, 1), (5, 2, 9, 3), (2, 0, 3, 2), (2, 3, 0, 2), (0, 3, 3, 2)]


def dense(query: Tensor, key: Tensor) -> Tensor:
    return torch.maximum(query[:, :, None], key[:, None]).sum(-1)


@pytest.mark.parametrize("numbers", [1, 40, 1000, 2**18])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_value_and_gradients_equal_the_dense_form(size, numbers, monkeypatch):
    monkeypatch.setattr(maxima, "NUMBERS_PER_BLOCK", numbers)
    rows, queries, keys, width = size
    query, key = (torch.randn(rows, n, width, dtype=torch.float64, requires_grad=True) for n in (queries, keys))
    upstream = torch.randn(rows, queries, keys, dtype=torch.float64)
    results = []
    for function in (sum_of_maxima, dense):
        out = function(query, key)
        results.append((out, *torch.autograd.grad(out, [query, key], upstream)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_equal_numbers_share_the_gradient():
    query, key = (torch.ones(1, 1, 2, requires_grad=True) for _ in range(2))
    sum_of_maxima(query, key).sum().backward()
    assert torch.equal(query.grad, torch.full((1, 1, 2), 0.5))
    assert torch.equal(key.grad, torch.full((1, 1, 2), 0.5))


def test_the_gradient_has_a_gradient_for_what_comes_back():
    query, key = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    upstream = torch.randn(2, 3, 5, dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (query, key, upstream)]
    assert torch.autograd.gradcheck(sum_of_maxima, inputs[:2])
    assert torch.autograd.gradgradcheck(sum_of_maxima, inputs[:2], [upstream])


def test_the_operators_are_registered_as_compilers_want():
    query, key, upstream = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 3, 5)
    operators = torch.ops.sampleformer
    for operator, given in (
        (operators.sum_of_maxima, (query, key)),
        (operators.sum_of_maxima_backward, (query, key, upstream)),
        (operators.sum_of_chosen, (query, key, torch.randn_like(query), torch.randn_like(key))),
    ):
        torch.library.opcheck(operator.default, given)
