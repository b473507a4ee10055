"""Samples and how they become batches."""

import numpy as np
import pytest
import torch

from sampleformer.data import Batch, Sample, Samples, collate


def sample(features: list, target: object = 0, name: str = "a") -> Sample:
    return Sample(np.array(features), None if target is None else np.array(target), name)


def three() -> Samples:
    features = np.array([1, 2, 3, 4, 5, 6], dtype=np.uint8)
    return Samples(features, np.array([0, 3, 3, 6]), np.array([1, 0, 2]), ["x", "y", "z"], ["abc", "", "def"])


def test_samples_are_slices_of_one_array() -> None:
    samples = three()
    assert [found.features.tolist() for found in samples] == [[1, 2, 3], [], [4, 5, 6]]
    assert samples[2].target == 2
    assert (samples[2].id, samples[2].source) == ("z", "def")
    assert samples.lengths.tolist() == [3, 0, 3]


def test_subset_of_a_subset_keeps_order() -> None:
    chosen = three().subset([2, 0, 1]).subset([1, 0])
    assert chosen.ids == ["x", "z"]
    assert chosen.targets is not None
    assert chosen.targets.tolist() == [1, 2]
    assert chosen.lengths.tolist() == [3, 3]
    assert len(chosen) == 2


def test_iteration_ends_with_the_subset() -> None:
    assert [found.id for found in three().subset([1])] == ["y"]


def test_collate_pads_codes_and_masks_padding() -> None:
    batch = collate([sample([7, 8, 9], 1), sample([5], 0)])
    assert batch.tokens.features.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert batch.tokens.features.dtype == torch.int64
    assert batch.tokens.mask is not None
    assert batch.tokens.mask.tolist() == [[True, True, True], [True, False, False]]
    assert batch.targets is not None
    assert batch.targets.tolist() == [1, 0]
    assert batch.targets.dtype == torch.int64
    assert batch.target_mask is None


def test_collate_without_padding_has_no_mask() -> None:
    batch = collate([sample([[0.5], [1.0]]), sample([[2.0], [3.0]])])
    assert batch.tokens.mask is None
    assert batch.tokens.features.shape == (2, 2, 1)
    assert batch.tokens.features.dtype == torch.float32


def test_collate_of_empty_samples_has_one_masked_token() -> None:
    batch = collate([sample([], 1), sample([], 0)])
    assert batch.tokens.features.shape == (2, 1)
    assert batch.tokens.mask is not None
    assert not batch.tokens.mask.any()


def test_collate_masks_unknown_targets() -> None:
    batch = collate([sample([1], np.float32([1, np.nan])), sample([2], np.float32([0, 1]))])
    assert batch.targets is not None
    assert batch.target_mask is not None
    assert batch.targets.tolist() == [[1, 0], [0, 1]]
    assert batch.target_mask.tolist() == [[True, False], [True, True]]


def test_collate_without_targets() -> None:
    batch = collate([sample([1], None), sample([2], None)])
    assert batch.targets is None
    assert batch.target_mask is None


@pytest.mark.parametrize("target", [None, np.float32([1, np.nan])])
def test_batch_moves_with_all_its_tensors(target: object) -> None:
    batch: Batch = collate([sample([1, 2], target), sample([2], target)]).to("meta")
    tensors = [batch.tokens.features, batch.tokens.mask, batch.targets, batch.target_mask]
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {"meta"}
    assert len(batch) == 2
