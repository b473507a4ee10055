"""Memory of a training: what it will need, and what is given back."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sampleformer.data import RandomBatches, Samples, TokenSets
from sampleformer.training import train
from sampleformer.training.batches import TOGETHER, StepChunks
from sampleformer.training.callbacks import memory
from sampleformer.training.memory import ExpectedMemory, extrapolated, learning_bytes, present_bytes, saved_bytes
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import _assert_same_weights

WIDTH = 16


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Dropout(0.5), nn.Linear(WIDTH, 1))


def test_what_a_graph_keeps_is_counted_once_and_without_the_weights() -> None:
    network = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    rows = torch.randn(40, WIDTH)
    # The input; the result of the first map, cut at zero, for the ReLU and the second map; one number a row squared.
    expected = 4 * (40 * WIDTH + 40 * WIDTH + 40)
    assert saved_bytes(network, lambda: network(rows).square().sum()) == expected
    assert saved_bytes(network, lambda: network(rows[:, :]).square().sum()) == expected  # a view of the same numbers
    assert learning_bytes(network) == 3 * 4 * (WIDTH * WIDTH + WIDTH + WIDTH + 1)
    network[0].requires_grad_(False)
    assert learning_bytes(network) == 3 * 4 * (WIDTH + 1)


def test_counting_leaves_no_trace() -> None:
    network = _network()
    before, random = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    assert saved_bytes(network, lambda: network(torch.randn(8, WIDTH)).sum()) > 0
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 64])
def test_few_samples_tell_of_many(samples: int) -> None:
    asked = []

    def measure(count: int) -> int:
        asked.append(count)
        return 100 + 7 * count

    assert extrapolated(samples, measure) == 100 + 7 * samples
    assert max(asked) <= min(4, samples)


def test_the_largest_chunk_is_found() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, size=60)
    offsets = np.concatenate([[0], lengths.cumsum()])
    samples = Samples(TokenSets(np.arange(offsets[-1]), offsets), np.zeros(60, np.int64), [str(i) for i in range(60)])
    chunks = StepChunks(samples, RandomBatches(60, 10, seed=0), max_tokens=80)
    largest = chunks.largest()
    every = [chunk for step in range(6) for group in chunks[step] for chunk in group]
    assert largest.tokens == max(chunk.tokens.features.numel() for chunk in every)
    assert [chunks.collate(largest.step, rows).tokens.features.numel() for rows in largest.chunks] == [largest.tokens]
    assert largest.groups == max(len(chunks.rows(step)) for step in range(6))


def test_the_largest_group_is_all_that_is_at_hand_at_once() -> None:
    lengths = np.array([2000, 10] * 4)
    offsets = np.concatenate([[0], lengths.cumsum()])
    samples = Samples(TokenSets(np.arange(offsets[-1]), offsets), np.zeros(8, np.int64), list("abcdefgh"))
    largest = StepChunks(samples, RandomBatches(8, 8, seed=0), max_tokens=9000, cut=TOGETHER).largest()
    assert (largest.tokens, len(largest.chunks), largest.groups) == (8040, 2, 1)


def test_the_total_is_the_sum_of_what_is_named() -> None:
    words = str(ExpectedMemory(present=500_000_000, learning=20_000_000, activations=700_000_000, tokens=32_768))
    assert words.startswith("expected peak memory 1.2 GB: 700 MB for activations of at most 32,768 tokens")
    assert present_bytes(torch.device("cpu")) >= 0


def test_what_is_little_or_not_known_is_not_called_nothing() -> None:
    little = str(ExpectedMemory(present=500_000_000, learning=20_000, activations=0, tokens=3))
    assert "500 MB: less than 1 MB for activations" in little
    assert "less than 1 MB for gradients and optimizer, 500 MB that" in little
    unknown = str(ExpectedMemory(present=0, learning=3_000_000, activations=2_000_000, tokens=3))
    assert "memory 5 MB beside what the program, the data and the model have now: 2 MB for activations" in unknown
    assert unknown.endswith("optimizer")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_training_says_what_it_needs_and_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, precision: str
) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), steps=4, precision=precision, max_tokens=30)
    with caplog.at_level("INFO", logger="sampleformer"):
        said = train(recipe, tmp_path / "said")
    (line,) = [message for message in caplog.messages if message.startswith("expected peak memory")]
    assert re.search(r"activations of at most (2\d|30) tokens at once \(training.max_tokens\)", line)
    _assert_same_weights(said, train(recipe, tmp_path / "quiet", quiet=True))


def test_memory_is_returned_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    step, returned = 0, []
    monkeypatch.setattr(memory, "return_freed_memory", lambda: returned.append(step))
    for step in range(1, 2 * memory.STEPS_BETWEEN + 1):
        arguments: Any = (SimpleNamespace(global_step=step), None, None, None, 0)
        memory.ReturnMemory().on_train_batch_end(*arguments)
    assert returned == [memory.STEPS_BETWEEN, 2 * memory.STEPS_BETWEEN]
