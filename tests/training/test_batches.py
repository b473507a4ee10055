"""Tests of which samples make which step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sampleformer.data.batching import RandomBatches
from sampleformer.data.samples import Samples
from sampleformer.data.token_sets import TokenSets
from sampleformer.sample import Sample
from sampleformer.training.batches import (
    BY_LENGTH,
    IN_ORDER,
    Cut,
    StepChunks,
    StepsToCheck,
    evaluation_loader,
    training_loader,
)
from sampleformer.training.outputs import evaluation_batches, in_order


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
    chunks = StepChunks(samples, RandomBatches(12, batch_size=4, seed=0), max_tokens=6)
    state = torch.get_rng_state()
    steps = list(training_loader(chunks, StepsToCheck(lambda: 0, 3, 3)))
    assert [sum(len(chunk) for (chunk,) in step) for step in steps] == [4, 4, 4]
    assert sorted((name for step in steps for (chunk,) in step for name in chunk.ids), key=int) == samples.ids
    assert sum(len(batch) for batch in evaluation_loader(samples, evaluation_batches(samples, 5))) == 12
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("cut", [BY_LENGTH, IN_ORDER])
def test_no_chunk_or_evaluation_batch_has_more_tokens_than_allowed(cut: Cut) -> None:
    samples = _samples(40)
    steps = [StepChunks(samples, RandomBatches(40, 10, seed=0), max_tokens=9, cut=cut)[step] for step in range(4)]
    for chunk in [
        *(chunk for step in steps for (chunk,) in step),
        *evaluation_loader(samples, evaluation_batches(samples, 9)),
    ]:
        assert chunk.tokens.features.numel() <= 9
    whole = StepChunks(samples, RandomBatches(40, 10, seed=0), max_tokens=50, cut=IN_ORDER)[0]
    assert [[len(chunk) for chunk in group] for group in whole] == [[10]]


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

    def drawn(step: int, seed: int = 5, max_tokens: int = 100) -> dict[str, tuple[float, ...]]:
        """The identifiers of each sample of a step."""
        chunks = StepChunks(samples, RandomBatches(12, batch_size=4, seed=seed), max_tokens)[step]
        return {
            name: tuple(identifiers[: lengths[int(name)]].flatten().tolist())
            for (chunk,) in chunks
            for name, identifiers in zip(chunk.ids, chunk.tokens.identifiers, strict=True)  # type: ignore[arg-type]
        }

    assert drawn(1) == drawn(1) == drawn(1, max_tokens=5)
    assert len({*drawn(1).values(), *drawn(7).values(), *drawn(1, seed=6).values()}) == 12
