"""A trained `TokenModel` as models of transformers."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

from sampleformer.encoder import Encoder, EncoderLayer
from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.runs.configuration import SampleformerConfig
from sampleformer.integrations.huggingface.runs.pretrained import SampleformerPreTrainedModel
from sampleformer.models import Blend, Model, TokenModel
from sampleformer.models.blend import BlendSettings
from sampleformer.registry import trusted_code
from sampleformer.settings import validate
from sampleformer.tokens import Tokens
from sampleformer.weights import limited_tensors

MOST_LAYERS, MOST_TENSORS = 1000, 100_000
"""Layers, and parameters and buffers, of a model: a stranger's configuration may claim any number."""


class CheckpointedLayer(EncoderLayer):
    """A layer that can forget what it computed, and compute it again for its gradients."""

    gradient_checkpointing = False
    _gradient_checkpointing_func: Callable[..., Tensor]
    """Set by transformers."""

    def forward(self, tokens: Tokens, residual_scale: Tensor, **others: Any) -> Any:  # type: ignore[override]
        """As of `EncoderLayer`."""
        run = super().forward
        if not (self.gradient_checkpointing and self.training) or others.get("return_selection"):
            return run(tokens, residual_scale, **others)

        def on_features(features: Tensor, scale: Tensor) -> Tensor:
            return cast(Tokens, run(tokens.with_features(features), scale, **others)).features

        # What takes part in gradients must be its arguments.
        features = self._gradient_checkpointing_func(on_features, tokens.features, residual_scale)
        return tokens.with_features(features)


class SampleformerModel(SampleformerPreTrainedModel):
    """Embedding and encoder of a `TokenModel`: hidden states for each code.

    Args:
        config: Configuration.
        network: Model whose parts are taken, blended or not. None: one with new weights.

    Example:
        >>> config = SampleformerConfig(settings={"width": 16, "layers": 1, "heads": 2})
        >>> SampleformerModel(config).eval()(torch.tensor([list(b"sampled")])).last_hidden_state.shape
        torch.Size([1, 7, 16])
    """

    _keys_to_ignore_on_load_unexpected = [r"^head\.", r"^beside\.", r"^fitted\.", r"^factors$"]  # noqa: RUF012 - transformers' attribute

    def __init__(self, config: SampleformerConfig, network: Model | None = None) -> None:
        super().__init__(config)
        main = cast(TokenModel, (_network(config) if network is None else network).main)
        self.embed, self.encoder = main.embed, main.encoder
        for layer in self.encoder.layers:
            layer.__class__ = CheckpointedLayer  # the same layer with another method, so that weights keep their names
        self.post_init()

    def parts(self) -> list[nn.Module]:
        return [self.embed, self.encoder]

    def take(self, network: Model) -> None:
        main = cast(TokenModel, network.main)
        self.embed.load_state_dict(main.embed.state_dict())
        self.encoder.load_state_dict(main.encoder.state_dict())

    def get_input_embeddings(self) -> nn.Module:
        """The table of the codes' vectors."""
        return cast(nn.Module, self.embed.enter)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> BaseModelOutput | tuple[Any, ...]:
        """Hidden states ``(b, n, d)``, zeros in the place of padding.

        Args:
            input_ids: Codes ``(b, n)``; the code of padding is padding.
            attention_mask: 1 where a code counts, 0 where it is padding, ``(b, n)``. None: only the code of padding is.
            output_hidden_states: Whether to return the tokens before the first layer and after each, too.
            output_attentions: None or False: there is no matrix of attention.

        Raises:
            InputError: if an argument has no meaning here.
        """
        if output_attentions:
            raise InputError("output_attentions is True, expected False: a head attends to a sample of the tokens")
        tokens = self.embed(raw_tokens(input_ids, attention_mask, self.config.pad_token_id))
        states = [tokens.features]
        with _recording(self.encoder, states) if output_hidden_states else nullcontext():
            encoded = self.encoder(tokens).without_padding()
        return BaseModelOutput(
            last_hidden_state=encoded.features, hidden_states=tuple(states) if output_hidden_states else None
        )


class SampleformerForSequenceClassification(SampleformerPreTrainedModel):
    """A `TokenModel` with its head: classes, several labels, or numbers in their unit.

    What the run blended with it is part of it: fixed models, which no training changes.

    Args:
        config: Configuration; ``id2label`` names the outputs, ``problem_type`` says what they are.

    Attributes:
        fitted: Models that are blended with the transformer.
        factors: ``(1 + fitted,)``, what each weighs, the transformer first. None: it stands alone.

    Example:
        >>> config = SampleformerConfig(settings={"width": 16, "layers": 1, "heads": 2}, num_labels=3)
        >>> SampleformerForSequenceClassification(config).eval()(torch.tensor([list(b"sampled")])).logits.shape
        torch.Size([1, 3])
    """

    factors: Tensor | None

    def __init__(self, config: SampleformerConfig) -> None:
        super().__init__(config)
        network = _network(config)
        self.model = SampleformerModel(config, network)
        main = cast(TokenModel, network.main)
        self.head, self.beside = main.head, main.beside
        self.fitted = nn.ModuleList(network.parts[1:] if isinstance(network, Blend) else [])
        self.register_buffer("factors", network.factors if isinstance(network, Blend) else None)
        self.fitted.requires_grad_(False)
        self.post_init()

    def parts(self) -> list[nn.Module]:
        return [self.head, *self.beside, *self.fitted]

    def take(self, network: Model) -> None:
        main = cast(TokenModel, network.main)
        self.model.take(main)
        self.head.load_state_dict(main.head.state_dict())
        self.beside.load_state_dict(main.beside.state_dict())
        if isinstance(network, Blend):
            self.fitted.load_state_dict(network.parts[1:].state_dict())
            self.factors = network.factors.clone()

    def get_input_embeddings(self) -> nn.Module:
        """The table of the codes' vectors."""
        return self.model.get_input_embeddings()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        **named: Any,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Outputs ``(b, outputs)``, and their loss.

        Args:
            input_ids, attention_mask, output_hidden_states, output_attentions: As of `SampleformerModel`.
            labels: Classes ``(b,)``, 0 and 1 as numbers with a decimal point ``(b, outputs)`` for several labels, or
                numbers in their unit ``(b, outputs)``. None: no loss is wanted.

        Raises:
            InputError: if an argument has no meaning here.
        """
        found = self.model(
            input_ids,
            attention_mask,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=True,
        )
        tokens = raw_tokens(input_ids, attention_mask, self.config.pad_token_id)
        logits: Tensor = self.head(Tokens(found.last_hidden_state, tokens.mask))
        for each in self.beside:
            logits = logits + each(tokens)
        if self.factors is not None:
            each_alone = torch.stack([logits, *[fitted(tokens) for fitted in self.fitted]], dim=-1)
            logits = (each_alone * self.factors.to(each_alone.dtype)).sum(-1)
        loss = None
        if labels is not None:
            wanted = labels if self.config.columns is None else self._standardised(labels)
            loss = self.loss_function(labels=wanted, pooled_logits=logits, config=self.config, **named)
        if self.config.columns is not None:
            mean, deviation = self._scale(logits)
            logits = logits.float() * deviation + mean
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=found.hidden_states)

    def _standardised(self, labels: Tensor) -> Tensor:
        mean, deviation = self._scale(labels)
        return (labels.float().reshape(len(labels), -1) - mean) / deviation

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(each, device=like.device) for each in (self.config.means, self.config.deviations)
        )
        return mean, deviation


def raw_tokens(input_ids: Tensor, attention_mask: Tensor | None, padding: int) -> Tokens:
    """Tokens of transformers' inputs; what is padding has the code 0 and no place in the order of the others.

    Args:
        input_ids: Codes ``(b, n)``.
        attention_mask: 1 where a code counts, ``(b, n)``. None: all but padding.
        padding: Code of padding.

    Raises:
        InputError: if they are not of these shapes.
    """
    if input_ids.ndim != 2:
        raise InputError(f"input_ids have shape {tuple(input_ids.shape)}, expected (batch, tokens)")
    if attention_mask is not None and attention_mask.shape != input_ids.shape:
        raise InputError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, expected {tuple(input_ids.shape)} as input_ids: "
            "padding can be masked, pairs cannot"
        )
    codes = input_ids.long()  # of an empty text transformers make numbers with a decimal point
    mask = codes != padding
    if attention_mask is not None:
        mask = mask & attention_mask.bool()
    if not codes.shape[1]:
        codes, mask = codes.new_zeros(len(codes), 1), mask.new_zeros(len(codes), 1)
    places = (mask.long().cumsum(1) - 1).clamp(min=0)  # padding may stand before a text
    return Tokens(codes.masked_fill(~mask, 0), mask, positions=places)


def _network(config: SampleformerConfig) -> Model:
    """A model with new weights; what the configuration names is data, so that it runs no code."""
    settings, inputs, outputs = config.model_settings(), {"vocabulary": config.vocabulary}, config.num_labels or 1
    if settings.layers > MOST_LAYERS:
        raise InputError(f"settings.layers is {settings.layers}, expected at most {MOST_LAYERS}")
    with trusted_code(False), limited_tensors(MOST_TENSORS, "config.json"):
        if not config.fitted:
            return TokenModel(settings, inputs, outputs)
        parts = {"parts": [settings.model_dump(), *config.fitted]}
        return Blend(validate(BlendSettings, parts, at="fitted."), inputs, outputs)


def _recording(encoder: Encoder, states: list[Tensor]) -> ExitStack:
    """Context in which the layers append their features to a list."""

    def record(layer: nn.Module, given: Any, result: Tokens) -> None:
        states.append(result.features)

    stack = ExitStack()
    for layer in encoder.layers:
        stack.callback(layer.register_forward_hook(record).remove)
    return stack
