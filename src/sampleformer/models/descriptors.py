"""What models over the descriptors of whole samples have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.models.base import Model
from sampleformer.modules import Module
from sampleformer.tokens import Tokens, as_tokens

_MOST_BINS = 1_000_000


class DescriptorModel(Model):
    """A model that sees the descriptors of a sample and none of its tokens."""

    needs = ("descriptors",)
    takes_descriptors = True
    example: ClassVar[dict[str, Any]] = {"descriptors": [1]}

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of samples."""
        return self.of_codes(described_by(as_tokens(tokens), len(self.inputs["descriptors"])))

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        """Outputs of samples with such descriptors."""
        raise NotImplementedError

    def of_descriptors(self, tokens: Tokens) -> Tensor:
        return self(tokens)


def described_by(tokens: Tokens, codes: int) -> Float[Tensor, "b codes"]:
    """The descriptors of samples.

    Args:
        tokens: Samples.
        codes: Number of descriptors that each must have.

    Raises:
        InputError: if they have others.
    """
    described = tokens.descriptors
    if described is None or described.shape[1] != codes:
        found = "no descriptors" if described is None else f"{described.shape[1]} descriptors"
        raise InputError(f"the tokens have {found}, expected {codes}")
    return described


def descriptors_of(chunks: Iterable[Tokens], codes: int, rows: int) -> np.ndarray:
    """The descriptors of all samples, ``(rows, codes)`` float32; those of a column lie beside each other in memory.

    Args:
        chunks: Samples; they are gone through once.
        codes: Number of descriptors that each must have.
        rows: Number of samples in all.
    """
    found = np.empty((rows, codes), np.float32, order="F")  # trees read column after column
    start = 0
    for each in chunks:
        part = described_by(each, codes)
        found[start : start + len(part)] = part.float().numpy()
        start += len(part)
    assert start == rows
    return found


class ThermometerCode(Module):
    """One number a bin of codes that count bins: ``clip(x − b, 0, 1)`` for b = 0, 1, …, bins − 1.

    Args:
        bins: Bins of each code; 0: the code stands there as it is.

    Raises:
        ValueError: if a number is negative, or there are more than a million bins.

    Example:
        >>> ThermometerCode([3, 0])(torch.tensor([[1.5, -0.2]]))
        tensor([[ 1.0000,  0.5000,  0.0000, -0.2000]])
    """

    places: Tensor
    lower: Tensor
    bounded: Tensor

    def __init__(self, bins: list[int]) -> None:
        super().__init__()
        if min(bins, default=0) < 0:
            raise ValueError(f"bins has {min(bins)}, expected at least 0")
        self.codes = len(bins)
        self.width = sum(max(count, 1) for count in bins)
        if self.width > _MOST_BINS:  # a stranger's file may claim any number
            raise ValueError(f"bins has {self.width:,} in all, expected at most {_MOST_BINS:,}")
        self.register_value("places", [place for place, count in enumerate(bins) for _ in range(max(count, 1))])
        self.register_value("lower", [number for count in bins for number in range(max(count, 1))])
        self.register_value("bounded", [count > 0 for count in bins for _ in range(max(count, 1))])

    def forward(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b width"]:
        """One number a bin."""
        if not self.width:
            return codes
        numbers = codes[:, self.places]
        return torch.where(self.bounded, (numbers - self.lower).clamp(0, 1), numbers)
