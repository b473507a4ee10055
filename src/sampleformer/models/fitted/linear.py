"""A linear model over the descriptors of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.extras import require
from sampleformer.models.base import AnyModelSettings
from sampleformer.models.descriptors import DescriptorModel, ThermometerCode, described_by
from sampleformer.models.fitted.base import EXTRA, FittedModel, Strength
from sampleformer.models.fitted.columns import Columns
from sampleformer.models.fitted.lines import line, lines
from sampleformer.tokens import Tokens


class LinearSettings(AnyModelSettings):
    """Settings of `DescriptorLinear`.

    Args:
        name: "linear".
        strengths: What the errors weigh against the weights, see `line`; the validation part chooses.
        fitted: Whether it has been fitted. Not for users.
    """

    name: str = "linear"
    strengths: tuple[Strength, ...] = Field(default=(0.001, 0.01, 0.1, 1.0, 10.0), min_length=1)
    fitted: bool = False


class DescriptorLinear(DescriptorModel, FittedModel):
    """``y = A e + b`` for the descriptors e of a sample, one number a bin: ridge or logistic regression.

    Args:
        settings: `LinearSettings`, fitted.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`.
        outputs: Number of outputs.
        level: "sample".

    Example:
        >>> sample = Tokens(torch.zeros(4, 1, 0), descriptors=torch.tensor([[0.0], [1], [2], [3]]))
        >>> targets = Columns("values", np.array([[0.0], [1], [2], [3]]), 1)
        >>> settings = LinearSettings(strengths=(1000.0,))
        >>> model = next(DescriptorLinear.candidates(settings, {"descriptors": [3]}, [sample], targets, seed=0))
        >>> model(sample).detach().round().flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    name = "linear"
    Settings = LinearSettings

    def build(self, settings: LinearSettings) -> None:
        self._check_fitted(settings.fitted)
        self.expand = ThermometerCode(self.inputs["descriptors"])
        self.line = nn.Linear(self.expand.width, self.outputs)

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        return self.line(self.expand(codes.to(self.line.weight.dtype)))

    @classmethod
    def candidates(
        cls, settings: LinearSettings, inputs: Mapping[str, Any], chunks: Iterable[Tokens], columns: Columns, seed: int
    ) -> Iterator[Self]:
        """One model for each strength."""
        expand = ThermometerCode(inputs["descriptors"])
        sparse = require("scipy.sparse", EXTRA)
        parts = [sparse.csr_matrix(expand(described_by(each, expand.codes).float()).numpy()) for each in chunks]
        features = sparse.vstack(parts, format="csr")
        for strength in settings.strengths:
            weights, bias = lines(columns, partial(line, columns, features=features, strength=strength))
            made = cls(settings.model_copy(update={"fitted": True}), inputs, columns.outputs)
            with torch.no_grad():
                made.line.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
                made.line.bias.copy_(torch.from_numpy(bias))
            yield made.eval()
