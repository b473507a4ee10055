"""What samplers found, for whoever looks on: terms of a loss that need the scores."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

_observed: "ContextVar[list[Observation] | None]" = ContextVar("observed_choices", default=None)


@dataclass(frozen=True)
class Observation:
    """One choice of one sampler.

    Args:
        scores: of all candidates, without noise, float32 or wider, with their gradient, shape ``(b, g, n)``; learned
            extra tokens are the last ones.
        mask: False where a candidate is padding, shape ``(b, g, n)``. None: none is.
        indices: of the candidates chosen, shape ``(b, g, k)``.
        valid: False where nothing was chosen, shape ``(b, g, k)``. None: everywhere something was.
        log_probability: of having chosen this, in this order, summed over the groups, with a gradient for the scores,
            shape ``(b,)``; zero of a group that could choose nothing else. From samplers that learn by it.
    """

    scores: Float[Tensor, "b g n"]
    mask: Bool[Tensor, "b g n"] | None
    indices: Int64[Tensor, "b g k"]
    valid: Bool[Tensor, "b g k"] | None
    log_probability: Float[Tensor, " b"] | None = None


def observed_choices() -> AbstractContextManager[list[Observation]]:
    """Lets the caller see every choice that is made inside the block, in the order in which they are made.

    Only the innermost block sees a choice. A compiled or exported program shows none.

    Example:
        >>> from sampleformer import Tokens
        >>> from sampleformer.attention import SftAttention
        >>> with observed_choices() as observed:
        ...     result = SftAttention(8, 2, sampled=3)(Tokens(torch.zeros(1, 5, 8)))
        >>> [choice.indices.shape for choice in observed]
        [torch.Size([1, 1, 3])]
    """

    @contextmanager
    def block() -> Iterator[list[Observation]]:
        found: list[Observation] = []
        token = _observed.set(found)
        try:
            yield found
        finally:
            _observed.reset(token)

    return block()


def observing() -> bool:
    """Whether somebody looks on, and an observation is worth making."""
    return not torch.compiler.is_compiling() and _observed.get() is not None


def observe(observation: Observation) -> None:
    """Shows a choice to whoever looks on; if nobody does, nothing happens."""
    found = _observed.get()
    if found is not None:
        found.append(observation)
