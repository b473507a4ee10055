"""The whole model: embed, encoder, head; settings in, safetensors out."""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from safetensors.torch import save_file
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS, LOCALS, Noise, Selection
from sampleformer.attention.auto import AUTO
from sampleformer.attention.local import told_local
from sampleformer.attention.relative.build import told_relative
from sampleformer.documents import read_json
from sampleformer.embed import EMBEDS
from sampleformer.encoder import Encoder, check_layers
from sampleformer.errors import InputError, nearest
from sampleformer.files import write_json, written_whole
from sampleformer.heads import PairHead, SetHead, TokenHead
from sampleformer.modules import Module
from sampleformer.registry import trusted_code
from sampleformer.settings import Component, Settings, validate
from sampleformer.tokens import Tokens, as_tokens
from sampleformer.weights import build_fitting, load_weights, read_header, sha256


class ModelSettings(Settings):
    """What a recipe says of the model; what depends on the data is given to `TokenModel` beside it.

    Args:
        width: d, of the tokens inside the model.
        layers: depth.
        heads: of the attention; must divide the width.
        feedforward: width inside the token-wise branch.
        attention: name and arguments of the attention; in a recipe ``auto``, see `attention.auto.choose_attention`.
            Beside them ``layers: [1, 3]``: the layers that have it, counted from 1; the others have `local` alone.
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
    """

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


class TokenModel(Module):
    """Raw tokens in, answers out.

    Args:
        settings: of the model.
        inputs: what the data says of its tokens, given to the embedding: ``{"vocabulary": 256}``, ``{"features": 3}``.
        outputs: numbers in an answer.
        level: what gets an answer: the whole "set", each "token", or a "pair" of tokens.

    Raises:
        InputError: if a setting is unknown or cannot be.

    Example:
        >>> settings = ModelSettings(width=16, layers=1, heads=2, feedforward=32)
        >>> model = TokenModel(settings, {"vocabulary": 256}, outputs=2).eval()
        >>> model(Tokens(torch.tensor([list(b"sampled")]))).shape
        torch.Size([1, 2])
    """

    def __init__(self, settings: ModelSettings, inputs: Mapping[str, Any], outputs: int, *, level: str = "set") -> None:
        super().__init__()
        self.settings = settings
        self.inputs = dict(inputs)
        self.outputs = outputs
        self.level = level
        for name in ("width", "layers", "heads", "feedforward"):
            if getattr(settings, name) < 1:
                raise InputError(f"model.{name}: {getattr(settings, name)}, expected at least 1")
        if settings.attention.name == AUTO:
            raise InputError(
                "model.attention.name: 'auto' depends on how long the inputs are, which train finds out; in Python, "
                "take what sampleformer.attention.auto.choose_attention returns"
            )
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
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"model: {error}") from error

    def draw_noise(self, tokens: Tokens | Tensor, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The random numbers of one training pass, for `forward`."""
        return self.encoder.draw_noise(self.embed(tokens), generator)

    def _make_head(self) -> nn.Module:
        width, outputs = self.settings.width, self.outputs
        if self.level == "set":
            return SetHead(width, outputs, pooling=self.settings.pooling)
        if self.level == "token":
            return TokenHead(width, outputs)
        if self.level == "pair":
            return PairHead(width, outputs, directed=bool(self.inputs.get("directed", False)))
        raise ValueError(f"level is {self.level!r}; {nearest(self.level, ('set', 'token', 'pair'))}")

    def forward(
        self,
        tokens: Tokens | Tensor,
        *,
        pairs: Int64[Tensor, "b p 2"] | None = None,
        noise: Sequence[Noise | None] | None = None,
    ) -> Float[Tensor, "b *rest"]:
        """Answers: ``(b, outputs)``, or ``(b, n, outputs)`` for each raw token, or ``(b, p, outputs)`` for each pair.

        Args:
            tokens: raw, as the data has them; a tensor stands for tokens of which none is padding. The embedding may
                add others after them (edges), which get no answer.
            pairs: the two tokens of each pair asked about, for a model of pairs; in the place of padding anything
                below n.
            noise: from `draw_noise`, used in training only; None: drawn in each layer.

        Raises:
            InputError: if the tokens are not what the model was made for.
        """
        tokens = as_tokens(tokens)
        encoded = self.encoder(self.embed(tokens), noise=noise)
        if self.level == "pair":
            return self.head(encoded, pairs)
        answers = self.head(encoded)
        return answers[:, : tokens.length] if self.level == "token" else answers

    @torch.no_grad()
    def select(self, tokens: Tokens | Tensor) -> list[Selection]:
        """The tokens that each head of each layer attends to, in evaluation mode."""
        training = self.training
        self.eval()
        try:
            return self.encoder(self.embed(tokens), return_selections=True)[1]
        finally:
            self.train(training)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``config.json`` and ``model.safetensors``; each file appears whole or not at all."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        config = {
            "settings": self.settings.model_dump(),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "level": self.level,
        }
        with written_whole(path / "model.safetensors") as part:
            save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, part)
            config["sha256"] = sha256(part)
        write_json(path / "config.json", config)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, trust_code: bool = False) -> "TokenModel":
        """Reads a model that `save_pretrained` wrote, in evaluation mode.

        Args:
            folder: Folder of the model, or a run folder that holds one in ``model/``.
            trust_code: Whether ``config.json`` may name classes by their import path, which are then imported and
                called: the folder's writer can run any code. False: only registered names are built.

        Raises:
            InputError: if a file is missing, cut short or does not fit, or names code that is not trusted.
        """
        path = Path(folder)
        if not (path / "config.json").exists() and (path / "model" / "config.json").exists():
            path = path / "model"
        config, weights = path / "config.json", path / "model.safetensors"
        saved = validate(_Saved, read_json(config, "the settings of a saved model"), str(config))
        found = read_header(weights)
        with trusted_code(trust_code):
            model = build_fitting(
                lambda: cls(saved.settings, saved.inputs, saved.outputs, level=saved.level), found, weights, config
            )
        model.load_state_dict(load_weights(weights, saved.sha256))
        return model.eval()


def _told(attention: Component, inputs: Mapping[str, Any]) -> Component:
    """An attention's settings with what the data tells of its relative terms."""
    arguments = attention.arguments
    arguments.pop("layers", None)  # the encoder's
    if "relative" in arguments:
        arguments["relative"] = told_relative(arguments["relative"], inputs)
    return Component(name=attention.name, **arguments)


class _Saved(Settings):
    """What ``config.json`` holds."""

    settings: ModelSettings
    inputs: dict[str, Any]
    outputs: int
    level: str
    sha256: str | None = None  # of the weights; who writes the file by hand may leave it out
