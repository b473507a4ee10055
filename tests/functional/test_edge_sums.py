"""Sums over edges, of any precision and in both of torch's forms; messages and attention are tested as local parts."""

import pytest
import torch

from sampleformer.functional.edge_sums import added_rows, edge_attention, edge_sums


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_sums_are_those_of_a_loop_in_float64(dtype):
    batch, length, number = 3, 5, 41
    values, source = torch.randn(batch, number, 4).to(dtype), torch.randint(length, (batch, number))
    mask = torch.rand(batch, number) < 0.7
    expected = torch.zeros(batch, length, 4, dtype=torch.float64)
    for b in range(batch):
        for e in range(number):
            if mask[b, e]:
                expected[b, source[b, e]] += values[b, e].double()
    found = edge_sums(values, source, length, mask)
    assert found.dtype == dtype
    # Added in float32 or wider, so that what is lost is lost in the result's own rounding.
    rounding = {torch.float64: 1e-14, torch.float32: 1e-5, torch.bfloat16: 2**-8}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=rounding)


def test_both_forms_add_the_same_and_have_the_same_gradients():
    rows, values = torch.randint(7, (50,)), torch.randn(50, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(9, 3, dtype=torch.float64)
    found = [added_rows(rows, values, 9, by_sorting=way) for way in (True, False)]
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*(torch.autograd.grad(each, values, upstream)[0] for each in found))
    assert not found[0][7:].any()


def test_large_logits_neither_overflow_nor_vanish():
    query, key = torch.full((1, 3, 2), 1e3), torch.tensor([[[1e3, 0.0], [1e3, 1.0], [-1e3, 0.0]]])
    value = torch.tensor([[[1.0, 1.0], [5.0, 5.0], [9.0, 9.0]]])
    source, target = torch.tensor([[0, 0, 2]]), torch.tensor([[0, 1, 2]])
    found = edge_attention(query, key, value, source, target, heads=1)
    torch.testing.assert_close(found, torch.tensor([[[5.0, 5.0], [0.0, 0.0], [9.0, 9.0]]]))
