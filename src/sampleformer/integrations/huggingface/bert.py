"""A BERT encoder whose attention is YOSO, with the weights of Hugging Face's."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Int
from safetensors.torch import save_file
from torch import Tensor, nn

from sampleformer.attention import BernoulliMixing, Noise, YosoAttention
from sampleformer.encoder import Encoder, EncoderLayer, FeedForward
from sampleformer.errors import InputError
from sampleformer.files import write_json, written_whole
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.integrations.huggingface.embedding import BertEmbedding
from sampleformer.integrations.huggingface.layout import names, to_ours, to_theirs
from sampleformer.integrations.huggingface.reading import read_config, read_weights
from sampleformer.modules import Module, start_with
from sampleformer.norms import LayerNorm
from sampleformer.tokens import Tokens
from sampleformer.weights import build_fitting


class YosoBert(Module):
    """BERT with YOSO attention: the hidden states of transformers' ``YosoModel``, and right with padding, too.

    ``x ← LayerNorm(x + attention(x))``, ``x ← LayerNorm(x + Linear(GELU(Linear(x))))`` in each layer. transformers is
    not needed. Its own model lets padded tokens into the attention; here padding changes nothing.

    Args:
        config: sizes and settings, under the names of transformers' ``YosoConfig``.

    Source: YOSO (arXiv 2111.09714), section 4; BERT (arXiv 1810.04805), section 3.

    Example:
        >>> config = YosoBertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        >>> model = YosoBert(config).eval()
        >>> model(Tokens(torch.tensor([[3, 7, 11]]))).features.shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, config: YosoBertConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = BertEmbedding(config)
        self.encoder = Encoder([_layer(config) for _ in range(config.num_hidden_layers)], norm=None, residual_scale=1.0)
        # The layout has no place for a scale of the branches.
        self.encoder.residual_scale.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding | nn.Conv2d):
                start_with(module, functools.partial(_start, deviation=config.initializer_range))

    def draw_noise(self, tokens: Tokens | Tensor, generator: torch.Generator | None = None) -> list[Noise | None]:
        """The hashes of one training pass, for `forward`; None for each layer if the attention is the expectation."""
        return self.encoder.draw_noise(self.embed(tokens), generator)

    def forward(
        self,
        tokens: Tokens | Tensor,
        token_types: Int[Tensor, "b n"] | None = None,
        *,
        noise: Sequence[Noise | None] | None = None,
    ) -> Tokens:
        """The last hidden states, ``(b, n, d)``, as tokens for a head; zeros in the place of padding.

        Args:
            tokens: codes ``(b, n)``, and a mask if some are padding.
            token_types: such as 0 in the first sentence and 1 in the second. None: all are 0.
            noise: from `draw_noise`, used in training only; None: drawn in each layer.

        Raises:
            InputError: if there are more tokens than positions.
        """
        encoded: Tokens = self.encoder(self.embed(tokens, token_types), noise=noise)
        return encoded.without_padding()

    @classmethod
    def from_huggingface(
        cls, folder: str | os.PathLike[str], *, hashes: int | Literal["config"] | None = "config"
    ) -> "YosoBert":
        """Reads what transformers' ``save_pretrained`` wrote of a YOSO model, in evaluation mode.

        Weights of a task's head are left out; the log says which. Weights become float32. The layout has no place for
        the hashes of evaluation: they are drawn from one fixed seed, so that a model read twice answers the same.

        Args:
            folder: with ``config.json``, and ``model.safetensors`` or ``pytorch_model.bin``.
            hashes: m, for YOSO-m; None: the expectation; ``"config"``: what the configuration says.

        Raises:
            InputError: if a file is missing or damaged, the weights do not fit the configuration, or it asks for what
                cannot be built here.
            ValueError: if hashes < 1.
        """
        config = read_config(Path(folder) / "config.json")
        if isinstance(hashes, int) and hashes < 1:
            raise ValueError(f"hashes is {hashes}, expected at least 1, None for the expectation, or 'config'")
        if hashes is None:
            config = config.model_copy(update={"use_expectation": True})
        elif hashes != "config":
            config = config.model_copy(update={"use_expectation": False, "num_hash": hashes})
        path, found = read_weights(Path(folder))
        model = build_fitting(
            lambda: cls(config),
            found,
            path,
            path.with_name("config.json"),
            lambda model: to_theirs(model.state_dict(), model._layout()),
        )
        model.load_state_dict({**model.state_dict(), **to_ours(found, model._layout())})
        model._fix_hashes()
        return model.eval()

    def save_huggingface(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``config.json`` and ``model.safetensors`` as transformers' ``YosoModel.from_pretrained`` reads them.

        Raises:
            InputError: if the folder cannot be written.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        theirs = to_theirs(self.state_dict(), self._layout())
        with written_whole(path / "model.safetensors") as part:
            save_file({name: tensor.clone() for name, tensor in theirs.items()}, part, metadata={"format": "pt"})
        write_json(path / "config.json", self.config.as_json())

    def _layout(self) -> dict[str, list[str]]:
        return names(self.config.num_hidden_layers, convolution=self.config.conv_window is not None)

    @torch.no_grad()
    def _fix_hashes(self) -> None:
        drawn = self.draw_noise(Tokens(torch.zeros(1, 1, dtype=torch.int64)), torch.Generator().manual_seed(0))
        mixings = [module for module in self.modules() if isinstance(module, BernoulliMixing)]
        for mixing, noise in zip(mixings, drawn, strict=True):
            if noise is not None and noise[1] is not None:
                mixing.random.copy_(noise[1])


def _layer(config: YosoBertConfig) -> EncoderLayer:
    width, epsilon = config.hidden_size, config.layer_norm_eps
    attention = YosoAttention(
        width,
        config.num_attention_heads,
        hashes=None if config.use_expectation else config.num_hash,
        code_length=config.hash_code_len,
        hashing="hadamard" if config.use_fast_hash else "gaussian",
        gradient="sampled" if config.lsh_backward else "exact",
        convolution=config.conv_window,
    )
    return EncoderLayer(
        attention,
        FeedForward(width, config.intermediate_size),
        attention_norm=LayerNorm(width, epsilon),
        feed_forward_norm=LayerNorm(width, epsilon),
        dropout=config.hidden_dropout_prob,
    )


@torch.no_grad()
def _start(layer: nn.Linear | nn.Embedding | nn.Conv2d, deviation: float) -> None:
    """New weights as BERT's start: normal with a small deviation, biases and the vector of padding zero."""
    layer.weight.normal_(std=deviation)
    if isinstance(layer, nn.Linear):
        layer.bias.zero_()
    if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
        layer.weight[layer.padding_idx].zero_()
