"""Places in a sorted list."""

import pytest
import torch

from sampleformer.functional.lookup import sorted_places


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 1000])
def test_places_are_those_of_a_binary_search(size: int) -> None:
    numbers = torch.randint(-50, 50_000, (size,), generator=torch.Generator().manual_seed(size)).unique()
    asked = torch.cat([numbers, numbers + 1, numbers - 1, torch.tensor([-(2**62), 2**62])]).reshape(1, -1)
    expected = (torch.searchsorted(numbers, asked, right=True) - 1).clamp(min=0)
    assert sorted_places(numbers, asked).equal(expected)


def test_of_no_numbers_there_is_no_place() -> None:
    with pytest.raises(ValueError, match="numbers is empty"):
        sorted_places(torch.empty(0, dtype=torch.int64), torch.tensor([1]))
