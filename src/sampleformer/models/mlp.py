"""A multilayer perceptron over the descriptors of a sample: a simple model, and a part beside the transformer."""

from __future__ import annotations

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sampleformer.models.base import AnyModelSettings
from sampleformer.models.descriptors import DescriptorModel, ThermometerCode
from sampleformer.modules import start_with


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


class DescriptorMLP(DescriptorModel):
    """``y = A e + W_2 GELU(W_1 e + b_1) + b_2`` for the descriptors e of a sample, one number a bin.

    A starts at zero. The tokens themselves do not enter.

    Args:
        settings: `MLPSettings`.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`.
        outputs: Number of outputs.
        level: "sample".

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> model = DescriptorMLP(MLPSettings(hidden=4), {"descriptors": [3, 0]}, 2)
        >>> model(Tokens(torch.zeros(1, 1, 0), descriptors=torch.tensor([[1.5, -0.2]]))).shape
        torch.Size([1, 2])
    """

    name = "mlp"
    Settings = MLPSettings
    shares_tokens = True  # of which it sees none

    def build(self, settings: MLPSettings) -> None:
        self.expand = ThermometerCode(self.inputs["descriptors"])
        self.input = nn.Linear(self.expand.width, settings.hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(settings.hidden, self.outputs)
        self.linear = nn.Linear(self.expand.width, self.outputs, bias=False)
        start_with(self.linear, _at_zero)

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        numbers = self.expand(codes.to(self.input.weight.dtype))
        hidden = self.dropout(nn.functional.gelu(self.input(numbers)))
        return self.output(hidden) + self.linear(numbers)


def _at_zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
