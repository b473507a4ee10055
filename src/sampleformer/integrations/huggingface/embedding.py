"""BERT's embedding, with the two unused rows of positions that YOSO's has."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from sampleformer.dropout import Dropout
from sampleformer.embed.fields import codes
from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.modules import Module
from sampleformer.norms import LayerNorm
from sampleformer.tokens import Tokens, as_tokens

FIRST_PLACE = 2
"""Row of the first position. The rows before it are part of the layout, and no position reads them."""


class BertEmbedding(Module):
    """``LayerNorm(word[code] + place[position + 2] + type[token type])``.

    Args:
        config: of the model.

    Example:
        >>> embedding = BertEmbedding(YosoBertConfig(vocab_size=30, hidden_size=12))
        >>> embedding(Tokens(torch.tensor([[3, 7]]))).features.shape
        torch.Size([1, 2, 12])
    """

    def __init__(self, config: YosoBertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.sizes = {
            "code": config.vocab_size,
            "token type": config.type_vocab_size,
            "position": config.max_position_embeddings,
        }
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.places = nn.Embedding(config.max_position_embeddings + FIRST_PLACE, width)
        self.types = nn.Embedding(config.type_vocab_size, width)
        self.norm = LayerNorm(width, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tokens | Tensor, token_types: Int[Tensor, "b n"] | None = None) -> Tokens:
        """Tokens of the model's width.

        Args:
            tokens: codes.
            token_types: such as 0 in the first sentence and 1 in the second. None: all are 0.

        Raises:
            InputError: if there are more tokens than positions, or a code, type or position is beyond its table.
        """
        tokens = as_tokens(tokens).without_padding()
        places, longest = tokens.positions, self.sizes["position"]
        if places is None:
            if tokens.length > longest:
                raise InputError(f"there are {tokens.length} tokens, but the model has {longest} positions")
            places = torch.arange(tokens.length, device=tokens.features.device)[None]
        if token_types is None:
            token_types = torch.zeros_like(places)
        elif tokens.mask is not None:
            token_types = token_types.masked_fill(~tokens.mask, 0)
        embedded = self.words(codes(tokens.features, [self.sizes["code"]]))
        embedded = embedded + self.types(codes(token_types, [self.sizes["token type"]], "token type"))
        embedded = embedded + self.places(codes(places, [longest], "position") + FIRST_PLACE)
        return tokens.with_features(self.dropout(self.norm(embedded)))
