"""Attention over keys that count so many times, against scores and weights written out."""

import pytest
import torch

from sampleformer.functional import counted
from sampleformer.functional.counted import counted_attention
from sampleformer.functional.scores import scaled_dot
from tests.naive.probabilities import softmax

SIZES = [(1, 1, 1, 1, 1), (2, 3, 5, 4, 3), (1, 2, 7, 9, 8)]


def problem(b, h, n, m, e, absent, validity):
    query, key, value = (torch.randn(b, h, length, e, dtype=torch.float64) for length in (n, m, m))
    presence = 0.2 + torch.rand(b, h, m, dtype=torch.float64)
    if absent:
        presence = presence * (torch.arange(m) % 3 != 1)
    valid = {
        "all": None,
        "shared": torch.arange(m)[None, None] <= torch.arange(b)[:, None, None],
        "of-heads": (torch.rand(b, h, m) < 0.6).index_fill(2, torch.tensor([0]), True),
    }[validity]
    return [tensor.requires_grad_() for tensor in (query, key, value, presence)], valid


def naive(query, key, value, presence, valid):
    return softmax(scaled_dot(query, key), None, valid, presence) @ value


@pytest.mark.parametrize("block", [2**17, 4], ids=["one-block", "many-blocks"])
@pytest.mark.parametrize("validity", ["all", "shared", "of-heads"])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_value_and_every_gradient_equal_the_twin(size, absent, validity, block, monkeypatch):
    monkeypatch.setattr(counted, "PAIRS_PER_BLOCK", block)
    inputs, valid = problem(*size, absent, validity)
    results = []
    for out in (counted_attention(*inputs, valid), naive(*inputs, valid)):
        upstream = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out).sin()
        results.append((out, *torch.autograd.grad(out, inputs, upstream)))
    for name, found, expected in zip(("value", "query", "key", "values", "presence"), *results, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=1e-9, atol=1e-9, msg=lambda message, name=name: f"{name}: {message}"
        )


@pytest.mark.parametrize("block", [2**17, 4], ids=["one-block", "many-blocks"])
@pytest.mark.parametrize("validity", ["all", "shared", "of-heads"])
@pytest.mark.parametrize("present", [1, 4, 9])
def test_keys_known_to_be_absent_change_nothing_but_what_is_computed(present, validity, block, monkeypatch):
    monkeypatch.setattr(counted, "PAIRS_PER_BLOCK", block)
    (query, key, value, presence), valid = problem(2, 3, 7, 9, 4, False, validity)
    presence = (presence.detach() * (torch.arange(9) < present)).requires_grad_()
    inputs = (query, key, value, presence)
    results = []
    for out in (counted_attention(*inputs, valid, present=present), naive(*inputs, valid)):
        results.append((out, *torch.autograd.grad(out.sin().sum(), inputs, materialize_grads=True)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("present", [None, 4])
def test_queries_that_lie_token_after_token_have_the_same_gradients(present):
    inputs, _ = problem(3, 2, 70, 4, 5, False, "all")
    query = inputs[0].detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    results = []
    for each in (inputs, [query, *inputs[1:]]):
        out = counted_attention(*each, present=present)
        results.append(torch.autograd.grad(out.square().sum(), each))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_gradcheck_where_all_count():
    inputs, valid = problem(1, 2, 3, 4, 2, False, "of-heads")
    assert torch.autograd.gradcheck(lambda *each: counted_attention(*each, valid), inputs)
    assert torch.autograd.gradgradcheck(lambda *each: counted_attention(*each, valid), inputs)


def test_presence_shared_by_the_heads():
    (query, key, value, presence), _ = problem(2, 3, 5, 4, 2, True, "all")
    shared = presence[:, :1].detach().clone().requires_grad_()
    for_each = shared.detach().expand(2, 3, 4).clone().requires_grad_()
    results = []
    for counts in (shared, for_each):
        out = counted_attention(query, key, value, counts)
        results.append((out, torch.autograd.grad(out.square().sum(), counts)[0]))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1].sum(1, keepdim=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nothing_that_counts_gives_zeros_and_zero_gradients(dtype):
    inputs = [torch.randn(1, 2, length, 4, dtype=dtype, requires_grad=True) for length in (3, 5, 5)]
    nothing = torch.zeros(1, 1, 5, dtype=torch.bool)
    for presence, valid, present in (
        (torch.zeros(1, 2, 5), None, None),
        (torch.zeros(1, 2, 5), None, 0),
        (torch.ones(1, 2, 5), nothing, None),
        (torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]).expand(1, 2, 5).clone(), nothing, 2),
    ):
        out = counted_attention(*inputs, presence.requires_grad_(), valid, present=present)
        gradients = torch.autograd.grad(out.sum(), [*inputs, presence], materialize_grads=True)
        assert not any(bool(tensor.any()) for tensor in (out, *gradients))


def test_an_absent_key_far_above_the_others_keeps_gradients_finite():
    query, key, value = torch.ones(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), torch.randn(1, 1, 2, 4)
    key[:, :, 1] = 1e4
    presence = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    out = counted_attention(query, key, value, presence)
    torch.testing.assert_close(out, value[:, :, :1].expand(1, 1, 2, 4))
    assert bool(torch.autograd.grad(out.sum(), presence)[0].isfinite().all())
