"""Members of sets one after the other: padded, back again, some of them, and groups by size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.errors import InputError
from sampleformer.ragged import Ragged, by_size


@given(st.lists(st.integers(0, 4), max_size=12))
def test_members_come_back_in_their_order_however_the_batch_is_sorted(batch: list[int]) -> None:
    values = torch.arange(len(batch) * 2).reshape(-1, 2)
    ragged = Ragged.of(torch.tensor(batch, dtype=torch.int64), len(batch), 5)
    padded, mask = ragged.padded(values), ragged.mask()
    assert torch.equal(ragged.rows(padded), values)
    mask = torch.ones(padded.shape[:2], dtype=torch.bool) if mask is None else mask
    for index in range(5):
        expected = [row for row, number in enumerate(batch) if number == index]
        assert torch.equal(padded[index][mask[index]], values[expected])
    some, members = ragged.only([3, 1])
    assert sorted(members.tolist()) == [row for row, number in enumerate(batch) if number in (1, 3)]
    assert some.sizes.tolist() == [batch.count(3), batch.count(1)]
    assert torch.equal(some.rows(some.padded(values[members])), values[members])


@given(st.lists(st.integers(0, 5000), max_size=30))
def test_no_set_is_padded_to_more_than_twice_its_size(sizes: list[int]) -> None:
    groups = by_size(sizes)
    assert sorted(index for group in groups for index in group) == [i for i, size in enumerate(sizes) if size]
    assert all(max(sizes[i] for i in group) < 2 * min(sizes[i] for i in group) for group in groups)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.tensor([0, 1]), "batch has shape (2,) and dtype torch.int64, expected (3,)"),
        (torch.tensor([0.0, 1, 2]), "dtype torch.float32, expected (3,) and torch.int64"),
        (torch.tensor([0, -1, 1]), "batch holds -1, expected at least 0 and less than 3"),
        (torch.tensor([0, 3, 1]), "batch holds 3, expected at least 0 and less than 3, the number of sets"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(batch: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Ragged.of(batch, 3, 3)
    assert message in str(caught.value)
