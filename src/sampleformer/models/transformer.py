"""The transformer of this package: embedding, encoder, head."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS, LOCALS, Noise, Selection
from sampleformer.attention.auto import AUTO, choose_attention
from sampleformer.attention.local import told_local
from sampleformer.attention.relative.build import told_relative
from sampleformer.distributed.streams import in_turn
from sampleformer.embed import EMBEDS
from sampleformer.embed.sequence import PLAIN_SCALE
from sampleformer.encoder import Encoder, check_layers
from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.errors import InputError
from sampleformer.heads import HEADS, TokenHead
from sampleformer.models.base import MODELS, AnyModelSettings, Model
from sampleformer.models.mlp import DescriptorMLP, MLPSettings
from sampleformer.sample import LEVELS
from sampleformer.settings import Component, validate
from sampleformer.tokens import Tokens, as_tokens


class ModelSettings(AnyModelSettings):
    """What a recipe says of the model; what depends on the data is given to `TokenModel` beside it.

    Args:
        name: "transformer".
        width: d, of the tokens inside the model.
        layers: depth.
        heads: of the attention; must divide the width.
        feedforward: width inside the token-wise branch.
        attention: name and arguments of the attention; in a recipe ``auto``, see `attention.auto.choose_attention`.
            Beside them ``layers: [1, 3]`` or ``layers: every second``: the layers that have it, counted from 1; the
            others have `local` alone.
        embed: name and arguments of the embedding.
        pooling: ``attention``, ``mean`` or ``max``.
        dropout: of the branches and inside the token-wise branch.
        stochastic_depth: probability that a sample skips a branch.
        residual_scale: where the learned scale of the branches starts; 0 as published for SAMSA, 1 as in a plain
            pre-norm transformer.
        local: Name and arguments of the local part beside the attention, one of `attention.LOCALS`: ``{name: window,
            window: 8}``, ``{name: edges}``. None: there is none.
        norm: ``rms``, ``layer`` or ``batch``.
        norm_position: ``pre`` (at the start of each branch and at the end) or ``post`` (after each sum).
        beside: Name and settings of other models of `MODELS`, whose outputs are added: ``[{name: bag, ngrams: 2}]``.
            Where the data has descriptors, ``mlp`` is added if none of them takes them.
    """

    name: str = "transformer"
    width: int = 128
    layers: int = 4
    heads: int = 8
    feedforward: int = 512
    attention: Component = Component(name="samsa")
    embed: Component = Component(name="sequence")
    pooling: str = "attention"
    dropout: float = 0.0
    stochastic_depth: float = 0.0
    residual_scale: float = 0.0
    local: Component | None = None
    norm: str = "rms"
    norm_position: str = "pre"
    beside: tuple[Component, ...] = ()


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

    def __init__(
        self,
        settings: ModelSettings,
        inputs: Mapping[str, Any],
        outputs: int,
        *,
        level: str = "sample",
        hides: bool = False,
    ) -> None:
        super().__init__(settings, inputs, outputs, level=level, hides=hides)
        self.settings: ModelSettings = settings
        for name in ("width", "layers", "heads", "feedforward"):
            if getattr(settings, name) < 1:
                raise InputError(f"model.{name}: {getattr(settings, name)}, expected at least 1")
        if settings.attention.name == AUTO:
            raise InputError(
                "model.attention.name: 'auto' depends on how long the inputs are, which train finds out; in Python, "
                "take what sampleformer.attention.auto.choose_attention returns"
            )
        inputs = _of_tokens(inputs)
        self.embed = settings.embed.build(EMBEDS, "model.embed", width=settings.width, **inputs)
        attending = check_layers(
            settings.attention.arguments.get("layers"),
            settings.layers,
            settings.local is not None,
            "model.attention.layers",
        )
        attention = functools.partial(
            _told(settings.attention, inputs).build,
            ATTENTIONS,
            "model.attention",
            width=settings.width,
            heads=settings.heads,
        )
        local = None
        if settings.local is not None:
            told = told_local(settings.local, self.embed, "model.local")
            local = functools.partial(told.build, LOCALS, "model.local", width=settings.width, heads=settings.heads)
        try:
            self.encoder = Encoder.of(
                attention,
                width=settings.width,
                layers=settings.layers,
                feedforward=settings.feedforward,
                dropout=settings.dropout,
                stochastic_depth=settings.stochastic_depth,
                residual_scale=settings.residual_scale,
                norm=settings.norm,
                norm_position=settings.norm_position,
                local=local,
                attention_layers=attending,
            )
            self.head = self._make_head()
            self.beside = self._make_beside()
            self.hidden = nn.Parameter(torch.empty(settings.width)) if hides else None
            self._reset_own_parameters()
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"model: {error}") from error

    @classmethod
    def example_inputs(cls, settings: ModelSettings) -> dict[str, Any] | None:
        if settings.embed.name not in EMBEDS:
            return None
        example: dict[str, Any] = getattr(EMBEDS[settings.embed.name], "example", {"features": 1})
        for each in settings.beside:  # a bag wants codes where an embedding would take numbers too
            kind = MODELS.resolve(each.name, "model.beside.name")
            if kind.needs and not kind.takes_descriptors and not set(kind.needs) & example.keys():
                example = kind.example
        return example

    @classmethod
    def resolved(cls, settings: ModelSettings, length: int, device: str) -> tuple[ModelSettings, str]:
        attention, reason = choose_attention(settings.attention, length, device)
        return settings.model_copy(update={"attention": attention}), reason

    @property
    def hides(self) -> bool:
        return self.hidden is not None

    def draw_noise(self, tokens: Tokens | Tensor, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The random numbers of one training pass, for `forward`."""
        return self.encoder.draw_noise(self.embedded(as_tokens(tokens)), generator)

    def _make_head(self) -> nn.Module:
        head = HEADS[self.level]
        known = {"pooling": self.settings.pooling, "directed": bool(self.inputs.get("directed", False))}
        taken = inspect.signature(head).parameters
        return head(
            self.settings.width, self.outputs, **{name: value for name, value in known.items() if name in taken}
        )

    def _make_beside(self) -> nn.ModuleList:
        """The models whose outputs are added."""
        made: list[Model] = []
        for each in self.settings.beside:
            kind = MODELS.resolve(each.name, "model.beside.name")
            if issubclass(kind, TokenModel):
                raise InputError(f"model.beside.name: {each.name!r} is this model itself, expected a simple one")
            settings = validate(kind.Settings, each.model_dump(), at="model.beside.")
            made.append(kind(settings, kind.inputs_of(self.inputs), self.outputs, level=self.level))
        described = "descriptors" in self.inputs and self.level == LEVELS[0]
        if described and not any("descriptors" in model.needs for model in made):
            made.append(DescriptorMLP(MLPSettings(), self.inputs, self.outputs))
        return nn.ModuleList(made)

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


def _of_tokens(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the data says of its tokens, without what it says of whole samples."""
    return {name: value for name, value in inputs.items() if name != "descriptors"}


def _told(attention: Component, inputs: Mapping[str, Any]) -> Component:
    """An attention's settings with what the data tells of its relative terms."""
    arguments = attention.arguments
    arguments.pop("layers", None)  # the encoder's
    if "relative" in arguments:
        arguments["relative"] = told_relative(arguments["relative"], inputs)
    return Component(name=attention.name, **arguments)
