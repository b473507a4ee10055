"""Tests of which samples make which step."""

import numpy as np
import torch

from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.samples import Samples
from sampleformer.training.batches import StepBatches, evaluation_loader, training_loader
from sampleformer.training.outputs import in_order


def _samples(count: int) -> Samples:
    lengths = np.arange(count) % 5 + 1
    offsets = np.concatenate([[0], lengths.cumsum()])
    return Samples(np.arange(offsets[-1]), offsets, np.arange(count), [str(i) for i in range(count)])


def test_steps_go_to_the_next_check_and_end_with_the_training() -> None:
    batches = LengthGroupedBatches(np.ones(6), batch_size=2, seed=0)
    seen: list[list[int]] = []
    for start in (0, 4, 8):
        steps = StepBatches(batches, lambda start=start: start, every=4, total=10)  # type: ignore[misc]
        assert len(steps) == (4 if start < 8 else 2)
        seen += list(steps)
    assert seen == [batches.batch(step) for step in range(10)]


def test_steps_that_begin_between_checks() -> None:
    batches = LengthGroupedBatches(np.ones(6), batch_size=2, seed=0)
    assert list(StepBatches(batches, lambda: 3, every=4, total=10)) == [batches.batch(3)]
    assert list(StepBatches(batches, lambda: 10, every=4, total=10)) == []


def test_loaders_leave_the_random_numbers_of_training_alone() -> None:
    samples = _samples(12)
    batches = LengthGroupedBatches(samples.lengths, batch_size=4, seed=0)
    state = torch.get_rng_state()
    ids = [name for batch in training_loader(samples, StepBatches(batches, lambda: 0, 3, 3)) for name in batch.ids]
    assert sorted(ids, key=int) == [str(i) for i in range(12)]
    assert sum(len(batch) for batch in evaluation_loader(samples, 5)) == 12
    assert torch.equal(torch.get_rng_state(), state)


def test_outputs_come_back_in_the_order_of_the_samples() -> None:
    outputs = [torch.tensor([[3.0], [1.0]]), torch.tensor([[0.0], [2.0]])]
    assert in_order(outputs, [[3, 1], [0, 2]]).tolist() == [[0.0], [1.0], [2.0], [3.0]]
