"""Token-wise work in blocks against one call."""

import pytest
import torch

from sampleformer.functional import blocks
from sampleformer.functional.blocks import tokenwise

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
