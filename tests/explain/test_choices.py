import numpy as np
import pytest
import torch

from sampleformer.attention import Selection
from sampleformer.explain.choices import Choices


def selection(indices: list[list[int]], valid: list[list[bool]] | None = None) -> Selection:
    """The selection of one sample."""
    places = torch.tensor([indices])
    return Selection(places, torch.ones_like(places, dtype=torch.bool) if valid is None else torch.tensor([valid]))


def test_each_head_keeps_its_own_tokens() -> None:
    choices = Choices.from_selections([selection([[0, 2], [2, 1]]), selection([[1, 0], [1, 0]])], 3, 3)
    assert choices.chosen.tolist() == [
        [[True, False, True], [False, True, True]],
        [[True, True, False], [True, True, False]],
    ]
    assert choices.counts.tolist() == [3, 3, 2]
    assert choices.share.tolist() == [0.75, 0.75, 0.5]


def test_invalid_slots_choose_nothing() -> None:
    choices = Choices.from_selections([selection([[0, 2]], [[True, False]])], 3, 3)
    assert choices.chosen[0, 0].tolist() == [True, False, False]


def test_learned_extra_tokens_are_counted_apart() -> None:
    choices = Choices.from_selections(
        [selection([[0, 3, 4], [1, 2, 5]], [[True, True, True], [True, True, False]])], 3, 3
    )
    assert choices.extra.tolist() == [[2, 0]]
    assert choices.chosen[0].sum(axis=-1).tolist() == [1, 2]


def test_padding_is_neither_a_token_nor_extra() -> None:
    # An empty text is padded to one token: the first learned extra token has the index 1.
    choices = Choices.from_selections([selection([[0, 1]], [[False, True]])], 0, 1)
    assert choices.chosen.shape == (1, 1, 0)
    assert choices.extra.tolist() == [[1]]
    assert not choices.everything


def test_a_layer_without_an_attention_has_no_say() -> None:
    nothing = Selection(torch.empty(1, 2, 0, dtype=torch.int64), torch.empty(1, 2, 0, dtype=torch.bool))
    choices = Choices.from_selections([nothing, selection([[0, 1], [1, 0]])], 2, 2)
    assert choices.attending.tolist() == [False, True]
    assert choices.voters == 2
    assert choices.share.tolist() == [1, 1]
    assert choices.everything


def test_everything_is_chosen() -> None:
    assert Choices(np.ones((2, 2, 3), bool), np.zeros((2, 2), int)).everything
    assert not Choices(np.array([[[True, False]]]), np.zeros((1, 1), int)).everything


def test_summary_of_a_layer() -> None:
    chosen = np.array([[[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]]], bool)
    summary = Choices(chosen, np.array([[0, 1, 2]])).summary(0)
    assert (summary.fewest, summary.most, summary.any_head, summary.all_heads, summary.extra) == (1, 2, 3, 1, 3)
    assert summary.overlap == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)


def test_overlap_of_one_head_is_not_known_and_of_empty_choices_is_zero() -> None:
    assert Choices(np.ones((1, 1, 3), bool), np.zeros((1, 1), int)).summary(0).overlap is None
    assert Choices(np.zeros((1, 2, 3), bool), np.zeros((1, 2), int)).summary(0).overlap == 0.0
