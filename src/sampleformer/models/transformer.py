"""The transformer of this package: embedding, encoder, head."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.attention import Noise, Selection
from sampleformer.attention.auto import AUTO, choose_attention
from sampleformer.distributed.streams import in_turn
from sampleformer.embed import EMBEDS
from sampleformer.embed.sequence import PLAIN_SCALE
from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.errors import InputError
from sampleformer.heads import TokenHead
from sampleformer.models.base import MODELS, Model
from sampleformer.models.transformer_parts import make_beside, make_encoder, make_head
from sampleformer.models.transformer_settings import ModelSettings
from sampleformer.sample import LEVELS
from sampleformer.tokens import Tokens, as_tokens


class TokenModel(Model):
    """Raw tokens in, answers out, through an encoder whose layers attend to a sample of the tokens.

    Args:
        settings: of the model.
        inputs: what the data says of its tokens, given to the embedding: ``{"vocabulary": 256}``, ``{"features": 3}``.
        outputs: numbers in an answer.
        level: what gets an answer: each "sample", each "token", or each "pair" of tokens.
        hides: Whether tokens may be hidden, as masked pretraining does; there is then a vector for those that are.

    Raises:
        InputError: if a setting is unknown or cannot be.

    Example:
        >>> settings = ModelSettings(width=16, layers=1, heads=2, feedforward=32)
        >>> model = TokenModel(settings, {"vocabulary": 256}, outputs=2).eval()
        >>> model(Tokens(torch.tensor([list(b"sampled")]))).shape
        torch.Size([1, 2])
    """

    name = "transformer"
    Settings = ModelSettings
    levels = LEVELS
    takes_descriptors = True
    can_hide = True
    settings: ModelSettings

    def build(self, settings: ModelSettings) -> None:
        for name in ("width", "layers", "heads", "feedforward"):
            if getattr(settings, name) < 1:
                raise InputError(f"model.{name}: {getattr(settings, name)}, expected at least 1")
        if settings.attention.name == AUTO:
            raise InputError(
                "model.attention.name: 'auto' depends on how long the inputs are, which train finds out; in Python, "
                "take what sampleformer.attention.auto.choose_attention returns"
            )
        # What the data says of its tokens, without what it says of whole samples.
        inputs = {name: value for name, value in self.inputs.items() if name != "descriptors"}
        self.embed = settings.embed.build(EMBEDS, "model.embed", width=settings.width, **inputs)
        try:
            self.encoder = make_encoder(settings, inputs, self.embed)
            self.head = make_head(settings, self.inputs, self.outputs, self.level)
            self.beside = make_beside(settings, self.inputs, self.outputs, self.level)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"model: {error}") from error
        self.hidden = nn.Parameter(torch.empty(settings.width)) if self.hides else None

    @classmethod
    def example_inputs(cls, settings: ModelSettings) -> dict[str, Any] | None:
        if settings.embed.name not in EMBEDS:
            return None
        example: dict[str, Any] = getattr(EMBEDS[settings.embed.name], "example", {"features": 1})
        for each in settings.beside or ():  # a bag wants codes where an embedding would take numbers too
            kind = MODELS.resolve(each.name, "model.beside.name")
            if kind.needs and not kind.takes_descriptors and not set(kind.needs) & example.keys():
                example = kind.example
        return example

    @classmethod
    def resolved(cls, settings: ModelSettings, length: int, device: str) -> tuple[ModelSettings, str]:
        attention, reason = choose_attention(settings.attention, length, device)
        return settings.model_copy(update={"attention": attention}), reason

    def draw_noise(self, tokens: Tokens | Tensor, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The random numbers of one training pass, for `forward`."""
        return self.encoder.draw_noise(self.embedded(as_tokens(tokens)), generator)

    def _reset_own_parameters(self) -> None:
        if self.hidden is not None:
            nn.init.normal_(self.hidden, std=PLAIN_SCALE)

    def embedded(self, tokens: Tokens) -> Tokens:
        """Tokens of the model's width; a hidden one carries the vector of hidden ones beside its place."""
        embedded: Tokens = self.embed(tokens)
        if tokens.hidden is None:
            return embedded
        if self.hidden is None:
            raise InputError("the tokens have hidden ones, but the model was made without a vector for them")
        hidden = tokens.hidden[..., None] * self.hidden.to(embedded.features.dtype)
        # An embedding may add tokens behind the given ones.
        hidden = F.pad(hidden, (0, 0, 0, embedded.length - tokens.length))
        return embedded.with_features(embedded.features + hidden)

    def forward(  # type: ignore[override]
        self,
        tokens: Tokens | Tensor,
        *,
        pairs: Int64[Tensor, "b p 2"] | None = None,
        asked: Int64[Tensor, "b m"] | None = None,
        noise: Sequence[Noise | None] | None = None,
        return_selections: bool = False,
    ) -> Float[Tensor, "b *rest"] | tuple[Float[Tensor, "b *rest"], list[Selection]]:
        """Answers: ``(b, outputs)``, or ``(b, n, outputs)`` for each raw token, or ``(b, p, outputs)`` for each pair.

        Args:
            tokens: raw, as the data has them; a tensor stands for tokens of which none is padding. The embedding may
                add others after them (edges), which get no answer.
            pairs: the two tokens of each pair asked about, for a model of pairs; in the place of padding anything
                below n.
            asked: the tokens asked about, for a model of tokens; in the place of padding anything below n. None: all.
            noise: from `draw_noise`, used in training only; None: drawn in each layer.
            return_selections: Whether to return what each layer's heads chose, too, and by which scores.

        Raises:
            InputError: if the tokens are not what the model was made for.
        """
        tokens = as_tokens(tokens)
        encoded = self.encoder(self.embedded(tokens), noise=noise, return_selections=return_selections)
        encoded, selections = encoded if return_selections else (encoded, [])
        answers = self.answers(encoded, tokens, pairs, asked)
        return (answers, selections) if return_selections else answers

    def with_selections(self, tokens: Tokens, **questions: Tensor) -> tuple[Tensor, list[Selection]]:
        found: tuple[Tensor, list[Selection]] = self(tokens, return_selections=True, **questions)
        return found

    def check_weights(self) -> None:
        for model in self.beside:
            model.check_weights()  # type: ignore[operator]

    def of_descriptors(self, tokens: Tokens) -> Tensor | None:
        found = [each for model in self.beside if (each := model.of_descriptors(tokens)) is not None]  # type: ignore[operator]
        return torch.stack(found).sum(0) if found else None

    @property
    def sharded_layers(self) -> Sequence[nn.Module]:
        return list(self.encoder.layers)

    @property
    def attends(self) -> bool:
        return any(layer.attention is not None for layer in self.encoder.layers)

    @property
    def shares_tokens(self) -> bool:
        return all(model.shares_tokens for model in self.beside)

    @property
    def runs_together(self) -> bool:
        others = [part for name, part in self.named_children() if name != "encoder"]
        return self.encoder.runs_together and not any(sees_whole_batch(part) for part in others)

    def together(
        self, chunks: Sequence[Tokens], questions: Sequence[Mapping[str, Tensor]]
    ) -> list[tuple[Tensor, Tensor | None]]:
        encoded = self.encoder.together([self.embedded(tokens) for tokens in in_turn(chunks)])
        each = in_turn(zip(encoded, chunks, questions, strict=True))
        return [(self.answers(one, tokens, **asked), None) for one, tokens, asked in each]

    def answers(
        self, encoded: Tokens, tokens: Tokens, pairs: Tensor | None = None, asked: Tensor | None = None
    ) -> Float[Tensor, "b *rest"]:
        """Answers of encoded tokens, as `forward` gives them.

        Args:
            encoded: Tokens from the encoder.
            tokens: Raw tokens that they came from; those that the embedding added get no answer.
            pairs, asked: As of `forward`.
        """
        questions = {name: value for name, value in (("pairs", pairs), ("asked", asked)) if value is not None}
        answers: Tensor = self.head(encoded, **questions)
        for model in self.beside:
            answers = answers + model(tokens)
        return answers[:, : tokens.length] if isinstance(self.head, TokenHead) else answers

    @torch.no_grad()
    def select(self, tokens: Tokens | Tensor) -> list[Selection]:
        """The tokens that each head of each layer attends to, in evaluation mode."""
        training = self.training
        self.eval()
        try:
            return self.encoder(self.embedded(as_tokens(tokens)), return_selections=True)[1]
        finally:
            self.train(training)
