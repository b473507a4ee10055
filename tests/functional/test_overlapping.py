"""Overlapping blocks against slices of a padded sequence, and their gradient."""

import pytest
import torch

from sampleformer.functional.overlapping import overlapping_blocks


@pytest.mark.parametrize(
    ("length", "size", "blocks", "reach"), [(7, 3, 3, 2), (7, 3, 4, 0), (1, 5, 1, 1), (11, 2, 6, 5), (0, 3, 1, 1)]
)
def test_value_and_gradient(length: int, size: int, blocks: int, reach: int) -> None:
    given = torch.randn(2, length, 3, 5, dtype=torch.float64, requires_grad=True)
    found = overlapping_blocks(given, size, blocks, reach)
    end = blocks * size - length + reach
    padded = torch.cat([given.new_zeros(2, reach, 3, 5), given, given.new_zeros(2, end, 3, 5)], 1)
    expected = torch.stack([padded[:, at * size : (at + 1) * size + 2 * reach] for at in range(blocks)], 1)
    assert torch.equal(found, expected)
    upstream = torch.randn_like(found)
    of_found, of_expected = (torch.autograd.grad(each, given, upstream)[0] for each in (found, expected))
    torch.testing.assert_close(of_found, of_expected, rtol=1e-12, atol=1e-12)


def test_it_can_be_differentiated_again_and_batched() -> None:
    given = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)

    def cut(of_tokens: torch.Tensor) -> torch.Tensor:
        return overlapping_blocks(of_tokens, 2, 3, 1)

    assert torch.autograd.gradgradcheck(lambda each: cut(each) ** 3, given)
    several = torch.randn(4, 2, 5, 3)
    assert torch.equal(torch.vmap(cut)(several), torch.stack([cut(each) for each in several]))
