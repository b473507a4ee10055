"""The contract of a network that is trained as a baseline."""

from typing import Any

from torch import Tensor, nn


class Network(nn.Module):
    """From a batch of its part of the data to outputs ``(b, o)``."""

    def with_penalty(self, batch: Any) -> tuple[Tensor, Tensor | float]:
        """The outputs, and what training adds to their loss."""
        return self(batch), 0.0
