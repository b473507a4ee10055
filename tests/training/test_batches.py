"""Tests of which samples make which step."""

from dataclasses import replace

import numpy as np
import torch

from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.sample import Sample
from sampleformer.data.samples import Samples
from sampleformer.data.token_sets import TokenSets
from sampleformer.training.batches import StepBatch, StepsToCheck, evaluation_loader, training_loader
from sampleformer.training.outputs import in_order


def _samples(count: int) -> Samples:
    lengths = np.arange(count) % 5 + 1
    offsets = np.concatenate([[0], lengths.cumsum()])
    return Samples(TokenSets(np.arange(offsets[-1]), offsets), np.arange(count), [str(i) for i in range(count)])


def test_steps_go_to_the_next_check_and_end_with_the_training() -> None:
    seen: list[int] = []
    for start in (0, 4, 8):
        steps = StepsToCheck(lambda start=start: start, every=4, total=10)  # type: ignore[misc]
        assert len(steps) == (4 if start < 8 else 2)
        seen += list(steps)
    assert seen == list(range(10))


def test_steps_that_begin_between_checks() -> None:
    assert list(StepsToCheck(lambda: 3, every=4, total=10)) == [3]
    assert list(StepsToCheck(lambda: 10, every=4, total=10)) == []


def test_loaders_leave_the_random_numbers_of_training_alone() -> None:
    samples = _samples(12)
    batches = LengthGroupedBatches(samples.lengths, batch_size=4, seed=0)
    state = torch.get_rng_state()
    ids = [name for batch in training_loader(samples, batches, StepsToCheck(lambda: 0, 3, 3)) for name in batch.ids]
    assert sorted(ids, key=int) == [str(i) for i in range(12)]
    assert sum(len(batch) for batch in evaluation_loader(samples, 5)) == 12
    assert torch.equal(torch.get_rng_state(), state)


def test_outputs_come_back_in_the_order_of_the_samples() -> None:
    answers = [[np.float32([[3.0]]), np.float32([[1.0], [1.5]])], [np.float32([[0.0]]), np.float32([[2.0]])]]
    assert in_order(answers, [[3, 1], [0, 2]]).tolist() == [[0.0], [1.0], [1.5], [2.0], [3.0]]


def test_the_batch_of_a_step_is_the_same_whenever_it_is_made() -> None:
    def prepare(sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        return replace(sample, identifiers=random.standard_normal((len(sample), 2), dtype=np.float32))

    lengths = np.arange(12) % 5 + 1
    offsets = np.concatenate([[0], lengths.cumsum()])
    names = [str(row) for row in range(12)]
    samples = Samples(TokenSets(np.arange(offsets[-1]), offsets), np.arange(12), names, prepare=prepare)
    steps = StepBatch(samples, LengthGroupedBatches(samples.sizes, batch_size=4, seed=5))
    later = steps[7].tokens.identifiers
    first, again = steps[1].tokens.identifiers, StepBatch(samples, LengthGroupedBatches(lengths, 4, seed=5))[1]
    assert torch.equal(first, again.tokens.identifiers)  # type: ignore[arg-type]
    other = StepBatch(samples, LengthGroupedBatches(lengths, 4, seed=6))[1].tokens.identifiers
    assert not torch.equal(first.flatten()[:4], later.flatten()[:4])  # type: ignore[union-attr]
    assert not torch.equal(first.flatten()[:4], other.flatten()[:4])  # type: ignore[union-attr]
