"""Token-wise work in blocks against one call."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from sampleformer.errors import InputError
from sampleformer.functional import blocks
from sampleformer.functional.blocks import activation_checkpointing, tokenwise
from sampleformer.functional.dropout import dropout

BATCH, WIDTH = 2, 3


@pytest.mark.parametrize("length", [0, 1, 4, 5, 13])
@pytest.mark.parametrize("numbers", [1, 24, 10_000], ids=lambda numbers: f"{numbers}-numbers-a-block")
def test_blocks_equal_one_call(length, numbers, monkeypatch):
    monkeypatch.setattr(blocks, "NUMBERS_PER_BLOCK", numbers)
    features, sizes = torch.randn(BATCH, length, WIDTH), []

    def function(block: torch.Tensor) -> torch.Tensor:
        sizes.append(block.shape[1])
        return torch.cat([block, block.square()], dim=-1)

    with torch.no_grad():
        found = tokenwise(function, features, widest=2 * WIDTH)
    assert torch.equal(found, torch.cat([features, features.square()], dim=-1))
    assert sum(sizes) == length
    assert all(BATCH * size * 2 * WIDTH <= numbers or size <= 1 for size in sizes)


def test_one_call_when_gradients_are_needed(monkeypatch):
    monkeypatch.setattr(blocks, "NUMBERS_PER_BLOCK", 1)
    sizes, features = [], torch.randn(BATCH, 13, WIDTH, requires_grad=True)
    tokenwise(lambda block: sizes.append(block.shape[1]) or block, features, widest=WIDTH)
    assert sizes == [13]


@pytest.mark.parametrize("length", [0, 1, 4, 13])
def test_checkpointed_blocks_have_the_gradients_of_one_call_and_keep_nothing_between(length):
    torch.manual_seed(1)
    layer = nn.Sequential(nn.Linear(WIDTH, 5), nn.Sigmoid(), nn.Linear(5, WIDTH)).double()
    features = torch.randn(BATCH, length, WIDTH, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(BATCH, length, 1, dtype=torch.float64)
    found, sizes = {}, []

    def function(block: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        sizes.append(block.shape[1])
        return layer(block) * scale

    for checkpointed in (False, True):
        layer.zero_grad()
        features.grad = None
        kept = []
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.shape) or t, lambda t: t)
        with hooks, activation_checkpointing(4) if checkpointed else nullcontext():
            result = tokenwise(function, features, weight, widest=5)
        result.square().sum().backward()
        found[checkpointed] = [result.detach(), features.grad, *(each.grad for each in layer.parameters())]
        if checkpointed and length:
            assert not [shape for shape in kept if shape[-1:] == (5,) and len(shape) == 3]  # what the layer has inside
            assert sorted(sizes[1:]) == sorted(2 * [min(4, length - start) for start in range(0, length, 4)])
    for one, other in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(other, one)


def test_a_block_without_tokens_is_refused():
    with pytest.raises(InputError, match="tokens is 0, expected at least 1"), activation_checkpointing(0):
        pass


def test_dropout_is_repeated_in_checkpointed_blocks():
    features = torch.randn(BATCH, 13, WIDTH, requires_grad=True)
    with activation_checkpointing(4):
        result = tokenwise(lambda block: dropout(block.exp(), 0.5, training=True), features, widest=WIDTH)
    result.sum().backward()
    torch.testing.assert_close(features.grad, result.detach())
