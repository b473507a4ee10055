"""Several models as one: a weighted sum of their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.attention import Selection
from sampleformer.errors import InputError, shown
from sampleformer.models.base import MODELS, AnyModelSettings, Model
from sampleformer.settings import validate
from sampleformer.tokens import Tokens, as_tokens

MOST_PARTS = 20
"""Models of a blend at most, the main one among them."""


class BlendSettings(AnyModelSettings):
    """Settings of `Blend`.

    Args:
        name: "blend".
        parts: Settings of each part, the main one first. From 1 to 20.
    """

    name: str = "blend"
    parts: tuple[SerializeAsAny[AnyModelSettings], ...] = Field(default=(), max_length=MOST_PARTS)

    @field_validator("parts", mode="before")
    @classmethod
    def _of_their_kinds(cls, given: Any) -> Any:
        """Settings of the classes that the names stand for."""
        if not isinstance(given, list | tuple):
            return given
        return [each if isinstance(each, AnyModelSettings) else _settings(each) for each in given]


class Blend(Model):
    """``y = Σ_i s_i y_i`` over the outputs of several models, the main one first.

    The main one is trained, the others are fitted, or trained in runs of their own; what each weighs is decided on the
    validation part, when all are ready (`training.blending`).

    Args:
        settings: `BlendSettings`.
        inputs: What the data says of its tokens, and of descriptors of whole samples.
        outputs: Number of outputs.
        level: "sample".

    Attributes:
        parts: The models.
        factors: ``(parts,)``, what each weighs.

    Example:
        >>> from sampleformer.models import BagOfEmbeddings
        >>> parts = [BagOfEmbeddings(BagOfEmbeddings.Settings(width=4), {"vocabulary": 9}, 2) for _ in range(2)]
        >>> model = Blend.of(parts, torch.tensor([0.75, 0.25]), {"vocabulary": 9}).eval()
        >>> words = Tokens(torch.tensor([[1, 2, 3]]))
        >>> bool(model(words).allclose(0.75 * parts[0](words) + 0.25 * parts[1](words)))
        True
    """

    name = "blend"
    Settings = BlendSettings
    takes_descriptors = True
    trained = False
    factors: Tensor
    levels: ClassVar[tuple[str, ...]] = ("sample",)

    def build(self, settings: BlendSettings) -> None:
        if not settings.parts:
            raise InputError("model.parts: empty, expected one model at least")
        made = []
        for each in settings.parts:
            kind = MODELS.resolve(each.name, "model.parts.name")
            if issubclass(kind, Blend):
                raise InputError("model.parts.name: a blend of blends, expected other models")
            made.append(kind(each, kind.inputs_of(self.inputs), self.outputs, level=self.level))
        self.parts = nn.ModuleList(made)
        self.register_buffer("factors", torch.empty(len(made)))

    @classmethod
    def of(cls, parts: Sequence[Model], factors: Float[Tensor, " parts"], inputs: Mapping[str, Any]) -> Self:
        """Ready models as one.

        Args:
            parts: The models, the main one first.
            factors: What each weighs.
            inputs: What the data says of its tokens, and of descriptors of whole samples.
        """
        settings = BlendSettings(parts=tuple(each.settings for each in parts))
        with torch.device("meta"):
            made = cls(settings, inputs, parts[0].outputs)
        made.parts = nn.ModuleList(parts)
        made.factors = factors.to(torch.float32)
        return made

    @classmethod
    def example_inputs(cls, settings: Any) -> dict[str, Any] | None:
        return None

    @property
    def models(self) -> list[Model]:
        """The parts, the main one first."""
        return list(self.parts)  # type: ignore[arg-type]

    @property
    def main(self) -> Model:
        return self.models[0]

    def check_weights(self) -> None:
        for part in self.models:
            part.check_weights()

    def _reset_own_parameters(self) -> None:
        nn.init.constant_(self.factors, 1 / len(self.factors))

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of samples."""
        tokens = as_tokens(tokens)
        return self._weighed([part(tokens) for part in self.parts])

    def with_selections(self, tokens: Tokens, **questions: Tensor) -> tuple[Tensor, list[Selection]]:
        outputs, selections = self.main.with_selections(tokens, **questions)
        return self._weighed([outputs, *[part(tokens) for part in self.parts[1:]]]), selections

    def of_descriptors(self, tokens: Tokens) -> Tensor | None:
        found = [
            factor * outputs
            for factor, part in zip(self.factors, self.models, strict=True)
            if (outputs := part.of_descriptors(tokens)) is not None
        ]
        return torch.stack(found).sum(0) if found else None

    def _weighed(self, outputs: Sequence[Tensor]) -> Tensor:
        stacked = torch.stack(list(outputs), dim=-1)
        return (stacked * self.factors.to(stacked.dtype)).sum(-1)


def _settings(given: Any) -> Any:
    """Settings of one part."""
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise InputError(f"model.parts: found {shown(given)}, expected a model's name and settings")
    return validate(MODELS.resolve(given["name"], "model.parts.name").Settings, given, at="model.parts.")
