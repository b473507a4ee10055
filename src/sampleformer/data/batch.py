"""What the training loop gets from the data."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sampleformer.tokens import Tokens


@dataclass(frozen=True)
class Batch:
    """Samples padded to one length.

    Args:
        tokens: raw tokens: codes ``(b, n)`` int64 or vectors ``(b, n, f)`` float32.
        targets: class numbers ``(b,)`` int64; or ``(b, t)`` float32, 0 and 1 for several labels, standardised values
            for regression. None if the samples have no targets.
        target_mask: ``(b, t)``, True where the target is known. None: all are.
        ids: the name of each sample in its source.
    """

    tokens: Tokens
    targets: Tensor | None
    target_mask: Tensor | None
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on another device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=non_blocking),
            targets=move(self.targets),
            target_mask=move(self.target_mask),
        )
