"""A multilayer perceptron over the descriptors of a sample: a simple model, and a part beside the transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from sampleformer.errors import InputError
from sampleformer.models.base import AnyModelSettings, Model
from sampleformer.modules import Module, start_with
from sampleformer.tokens import Tokens, as_tokens

_MOST_BINS = 1_000_000


class MLPSettings(AnyModelSettings):
    """Settings of `DescriptorMLP`.

    Args:
        name: "mlp".
        hidden: Width of the hidden layer.
        dropout: Of the hidden layer.
    """

    name: str = "mlp"
    hidden: int = Field(default=256, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class DescriptorMLP(Model):
    """``y = A e + W_2 GELU(W_1 e + b_1) + b_2`` for the descriptors e of a sample, one number a bin.

    A starts at zero. The tokens themselves do not enter.

    Args:
        settings: `MLPSettings`.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`.
        outputs: Number of outputs.
        level: "sample".

    Example:
        >>> model = DescriptorMLP(MLPSettings(hidden=4), {"descriptors": [3, 0]}, 2)
        >>> model(Tokens(torch.zeros(1, 1, 0), descriptors=torch.tensor([[1.5, -0.2]]))).shape
        torch.Size([1, 2])
    """

    name = "mlp"
    Settings = MLPSettings
    needs = ("descriptors",)
    takes_descriptors = True
    shares_tokens = True  # of which it sees none
    example: ClassVar[dict[str, Any]] = {"descriptors": [1]}

    def __init__(
        self,
        settings: MLPSettings,
        inputs: Mapping[str, Any],
        outputs: int,
        *,
        level: str = "sample",
        hides: bool = False,
    ) -> None:
        super().__init__(settings, inputs, outputs, level=level, hides=hides)
        self.expand = ThermometerCode(inputs["descriptors"])
        self.input = nn.Linear(self.expand.width, settings.hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(settings.hidden, outputs)
        self.linear = nn.Linear(self.expand.width, outputs, bias=False)
        start_with(self.linear, _at_zero)

    def forward(
        self,
        tokens: Tokens | Tensor,
        *,
        pairs: Int64[Tensor, "b p 2"] | None = None,
        asked: Int64[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b outputs"]:
        """Outputs of samples."""
        described = described_by(as_tokens(tokens), self.expand.codes)
        numbers = self.expand(described.to(self.input.weight.dtype))
        hidden = self.dropout(nn.functional.gelu(self.input(numbers)))
        return self.output(hidden) + self.linear(numbers)

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


def _at_zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
