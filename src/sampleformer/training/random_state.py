"""The state of every random generator that training may draw from."""

import random
from typing import Any

import numpy as np
import torch

WEIGHTS, TRAINING = 0, 1  # what a stream is for: one seed gives streams that have nothing to do with each other


def seed_of(*entropy: int) -> int:
    """A seed of 63 bits made of several numbers.

    Example:
        >>> seed_of(0, TRAINING, 5) == seed_of(0, TRAINING, 6)
        False
    """
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1


def seed_everything(seed: int, purpose: int, *places: int) -> None:
    """Starts the generators of Python, NumPy and torch anew.

    Args:
        seed: Seed of the training.
        purpose: `WEIGHTS` or `TRAINING`.
        places: What tells streams of one purpose apart, such as the step.
    """
    number = seed_of(seed, purpose, *places)
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)


def get_random_state() -> dict[str, Any]:
    """The state of every generator, as tensors and plain values that a checkpoint may hold."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    numpy_keys = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    state = {
        "python": random.getstate(),
        "numpy": (
            name,
            numpy_keys,
            int(position),
            int(has_gauss),
            float(cached),
        ),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Puts every generator back."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
