"""A bag of embeddings: the mean of the vectors of words and of pairs of words, as a simple model for texts."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from sampleformer.distributed.token_shards import refuse_shards
from sampleformer.embed.fields import codes
from sampleformer.errors import InputError
from sampleformer.models.base import AnyModelSettings, Model
from sampleformer.modules import start_with
from sampleformer.tokens import Tokens, as_tokens

_PRIME = 1_000_003


class BagSettings(AnyModelSettings):
    """Settings of `BagOfEmbeddings`.

    Args:
        name: "bag".
        width: Width of the vectors.
        ngrams: Longest n-gram; 1: words alone.
        buckets: Number of vectors that all longer n-grams share, by a hash.
        dropout: Of the mean vector.
    """

    name: str = "bag"
    width: int = Field(default=64, ge=1)
    ngrams: int = Field(default=2, ge=1, le=5)
    buckets: int = Field(default=100_000, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class BagOfEmbeddings(Model):
    """``y = W · mean_g v_g + b`` over the tokens of a sample and its n-grams, each with a learned vector.

    N-grams of two and more tokens are hashed into buckets.

    Args:
        settings: `BagSettings`.
        inputs: ``{"vocabulary": size}``.
        outputs: Number of outputs.
        level: "sample".

    Source: Joulin et al. 2017, Bag of tricks for efficient text classification (arXiv 1607.01759), section 2.

    Example:
        >>> model = BagOfEmbeddings(BagSettings(width=8), {"vocabulary": 256}, 2)
        >>> model(Tokens(torch.tensor([list(b"fast")]))).shape
        torch.Size([1, 2])
    """

    name = "bag"
    Settings = BagSettings
    needs = ("vocabulary",)
    example: ClassVar[dict[str, Any]] = {"vocabulary": 2}

    def build(self, settings: BagSettings) -> None:
        self.vocabulary = int(self.inputs["vocabulary"])
        rows = self.vocabulary + (settings.buckets if settings.ngrams > 1 else 0)
        self.ngrams = settings.ngrams
        self.buckets = settings.buckets
        self.vectors = nn.Embedding(rows, settings.width)
        start_with(self.vectors, _small)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.width, self.outputs)

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of samples; of one without tokens the bias alone."""
        refuse_shards("a bag of embeddings")
        tokens = as_tokens(tokens)
        if tokens.features.ndim != 2:
            raise InputError(f"features have shape {tuple(tokens.features.shape)}, expected one code for each token")
        words = codes(tokens.without_padding().features, [self.vocabulary])
        mask = torch.ones_like(words, dtype=torch.bool) if tokens.mask is None else tokens.mask
        rows, weights = [words], [mask]
        hashed = words
        for _ in range(self.ngrams - 1):  # the n-gram that begins at each token but the last ones
            words, mask = words[:, 1:], mask[:, 1:]
            hashed = (hashed[:, :-1] * _PRIME + words + 1) % self.buckets
            rows.append(self.vocabulary + hashed)
            weights.append(mask)
        counted = torch.cat(weights, dim=1)
        vectors = self.vectors(torch.cat(rows, dim=1))
        total = (vectors * counted[..., None].to(vectors.dtype)).sum(1)
        return self.head(self.dropout(total / counted.sum(1, keepdim=True).clamp(min=1)))


def _small(table: nn.Embedding) -> None:
    """Vectors small enough to be changed by the first steps."""
    nn.init.normal_(table.weight, std=0.1)
