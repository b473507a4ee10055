"""Tests of the state of the random generators."""

import random

import numpy as np
import torch

from sampleformer.training.random_state import (
    TRAINING,
    WEIGHTS,
    get_random_state,
    seed_everything,
    set_random_state,
)


def _draw() -> tuple[float, float, float, float]:
    return random.random(), float(np.random.rand()), float(np.random.randn()), float(torch.rand(()))


def test_all_generators_go_back() -> None:
    seed_everything(3, TRAINING)
    np.random.randn()  # leaves a cached second normal number, which is part of the state
    state = get_random_state()
    first, second = _draw(), _draw()
    set_random_state(state)
    assert (_draw(), _draw()) == (first, second)


def test_state_survives_a_checkpoint(tmp_path) -> None:  # type: ignore[no-untyped-def]
    state = get_random_state()
    expected = _draw()
    torch.save(state, tmp_path / "state.ckpt")
    set_random_state(torch.load(tmp_path / "state.ckpt", weights_only=True))
    assert _draw() == expected


def test_seeds_and_purposes_give_other_numbers() -> None:
    drawn = set()
    for seed, purpose in ((0, WEIGHTS), (0, TRAINING), (1, WEIGHTS), (2**32 - 1, TRAINING)):
        seed_everything(seed, purpose)
        drawn.add(_draw())
    assert len(drawn) == 4
