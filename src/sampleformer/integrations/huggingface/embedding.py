"""BERT's embedding, with the two unused rows of positions that YOSO's has."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from sampleformer.dropout import Dropout
from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.modules import Module
from sampleformer.norms import LayerNorm
from sampleformer.tokens import Tokens

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
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.places = nn.Embedding(config.max_position_embeddings + FIRST_PLACE, width)
        self.types = nn.Embedding(config.type_vocab_size, width)
        self.norm = LayerNorm(width, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tokens, token_types: Int[Tensor, "b n"] | None = None) -> Tokens:
        """Tokens of the model's width.

        Args:
            tokens: codes.
            token_types: such as 0 in the first sentence and 1 in the second. None: all are 0.

        Raises:
            InputError: if there are more tokens than positions.
        """
        tokens = tokens.without_padding()
        places = tokens.positions
        if places is None:
            longest = self.places.num_embeddings - FIRST_PLACE
            if tokens.length > longest:
                raise InputError(f"there are {tokens.length} tokens, but the model has {longest} positions")
            places = torch.arange(tokens.length, device=tokens.features.device)[None]
        if token_types is None:
            token_types = torch.zeros_like(places)
        elif tokens.mask is not None:
            token_types = token_types.masked_fill(~tokens.mask, 0)
        embedded = self.words(tokens.features.long()) + self.types(token_types.long())
        embedded = embedded + self.places(places.long() + FIRST_PLACE)
        return tokens.with_features(self.dropout(self.norm(embedded)))
