"""A linear model over all words and runs of words that two samples have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor
from typing_extensions import Self

from sampleformer.distributed.token_shards import refuse_shards
from sampleformer.embed.fields import codes
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.functional.lookup import sorted_places
from sampleformer.models.base import AnyModelSettings
from sampleformer.models.fitted.base import EXTRA, FittedModel, Strength
from sampleformer.models.fitted.columns import VALUES, Columns
from sampleformer.models.fitted.lines import line, lines
from sampleformer.tokens import Tokens, as_tokens

MOST_WEIGHTS = 20_000_000
"""Weights of all n-grams and outputs; the n-grams that most samples have are kept."""
_ABSENT = -1


class NGramsSettings(AnyModelSettings):
    """Settings of `NGrams`.

    Args:
        name: "ngrams".
        longest: Tokens of the longest n-gram.
        min_samples: Samples of the training part that have an n-gram at least.
        strengths: What the errors weigh against the weights, see `line`; the validation part chooses.
        size: Number of n-grams, which fitting finds. 0: it has not been fitted.
    """

    name: str = "ngrams"
    longest: int = Field(default=2, ge=1, le=5)
    min_samples: int = Field(default=2, ge=1)
    strengths: tuple[Strength, ...] = Field(default=(1.0, 10.0, 100.0, 1000.0), min_length=1)
    size: int = Field(default=0, ge=0)


class NGrams(FittedModel):
    """``y = Σ_g w_g / √m + b`` over the m different known n-grams g of a sample.

    A class or label c weighs an n-gram by the logarithm of how much more frequent it is among samples of c than among
    others, ``r_g = log((p_g + 1) / Σ(p + 1)) − log((q_g + 1) / Σ(q + 1))``, times a weight of logistic regression over
    the features ``r_g / √m``; a value by its inverse frequency times a weight of ridge regression.

    Args:
        settings: `NGramsSettings`, fitted.
        inputs: ``{"vocabulary": size}``.
        outputs: Number of outputs.
        level: "sample".

    Raises:
        InputError: if it has not been fitted, or n-grams of such a vocabulary have no number below 2⁶³.

    Source: Wang and Manning 2012, Baselines and bigrams: simple, good sentiment and topic classification, section 2.

    Example:
        >>> texts = Tokens(torch.tensor([list(b"good"), list(b"mood"), list(b"poor"), list(b"pour")]))
        >>> targets = Columns("classes", np.array([[1.0], [1], [0], [0]]), 2)
        >>> model = next(NGrams.candidates(NGramsSettings(), {"vocabulary": 256}, [texts], targets, seed=0))
        >>> bool(model(Tokens(torch.tensor([list(b"food")]))).argmax())
        True
    """

    name = "ngrams"
    Settings = NGramsSettings
    needs = ("vocabulary",)
    example: ClassVar[dict[str, Any]] = {"vocabulary": 2}
    keys: Tensor
    weights: Tensor
    bias: Tensor

    def build(self, settings: NGramsSettings) -> None:
        self._check_fitted(settings.size)
        _check(int(self.inputs["vocabulary"]), settings.longest)
        self.register_buffer("keys", torch.empty(settings.size, dtype=torch.int64))
        self.register_buffer("weights", torch.empty(settings.size, self.outputs))
        self.register_buffer("bias", torch.empty(self.outputs))

    def _reset_own_parameters(self) -> None:
        for buffer in (self.keys, self.weights, self.bias):
            buffer.zero_()

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b outputs"]:
        """Outputs of samples; of one without known n-grams the bias alone."""
        refuse_shards("n-grams")
        found, real = _keys(as_tokens(tokens), int(self.inputs["vocabulary"]), self.settings.longest)
        places = sorted_places(self.keys, found)
        known = real & (self.keys[places] == found)
        # Each n-gram counts once: equal ones stand side by side, and what is not known before all.
        places, _ = torch.where(known, places, places.new_tensor(_ABSENT)).sort(dim=1)
        first = torch.cat([torch.ones_like(places[:, :1], dtype=torch.bool), places[:, 1:] != places[:, :-1]], dim=1)
        counted = (first & (places != _ABSENT)).to(self.weights.dtype)
        total = (self.weights[places.clamp(min=0)] * counted[..., None]).sum(1)
        return total * counted.sum(1, keepdim=True).clamp(min=1).rsqrt() + self.bias

    def runs(self, tokens: Tokens) -> list[tuple[int, int, Float[Tensor, " outputs"]]]:
        """What each known n-gram of one sample adds to its outputs.

        Args:
            tokens: One sample.

        Returns:
            For each n-gram where it first begins: this place, its number of tokens, and what it adds, ``w_g / √m``.
        """
        found, real = _keys(tokens, int(self.inputs["vocabulary"]), self.settings.longest)
        places = sorted_places(self.keys, found)
        known = (real & (self.keys[places] == found))[0].tolist()
        starts = [(at, n + 1) for n in range(self.settings.longest) for at in range(tokens.length - n)]
        first: dict[int, tuple[int, int]] = {}
        for place, start, counts in zip(places[0].tolist(), starts, known, strict=True):
            if counts:
                first.setdefault(place, start)
        scale = len(first) ** -0.5 if first else 0.0
        return [(at, n, self.weights[place] * scale) for place, (at, n) in first.items()]

    @classmethod
    def candidates(
        cls, settings: NGramsSettings, inputs: Mapping[str, Any], chunks: Iterable[Tokens], columns: Columns, seed: int
    ) -> Iterator[Self]:
        """One model for each strength."""
        vocabulary = int(inputs["vocabulary"])
        _check(vocabulary, settings.longest)
        rows = [row for tokens in chunks for row in _different(tokens, vocabulary, settings.longest)]
        keys = _frequent(rows, settings.min_samples, MOST_WEIGHTS // columns.outputs)
        if not len(keys):
            return
        present = _presence(rows, keys)
        for strength in settings.strengths:
            weights, bias = lines(columns, partial(_one, columns, present=present, strength=strength))
            made = cls(settings.model_copy(update={"size": len(keys)}), inputs, columns.outputs)
            made.keys.copy_(torch.from_numpy(keys))
            made.weights.copy_(torch.from_numpy(weights))
            made.bias.copy_(torch.from_numpy(bias))
            yield made.eval()


def _check(vocabulary: int, longest: int) -> None:
    if (vocabulary + 1) ** longest >= 2**63:
        raise InputError(
            f"ngrams.longest: {longest} tokens of a vocabulary of {vocabulary:,} have more than 2⁶³ n-grams, expected "
            "a shorter one"
        )


def _keys(tokens: Tokens, vocabulary: int, longest: int) -> tuple[Int64[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """A number for each n-gram that begins at each token, and whether all of its tokens are real."""
    if tokens.features.ndim != 2:
        raise InputError(f"features have shape {tuple(tokens.features.shape)}, expected one code for each token")
    # From 1: with a code 0, runs of unequal lengths would have the same number.
    words = codes(tokens.without_padding().features, [vocabulary]).long() + 1
    mask = torch.ones_like(words, dtype=torch.bool) if tokens.mask is None else tokens.mask
    keys, real = [words], [mask]
    for length in range(1, longest):
        last = keys[-1]
        keys.append(last[:, : last.shape[1] - 1] * (vocabulary + 1) + words[:, length:])
        real.append(real[-1][:, :-1] & mask[:, length:])
    return torch.cat(keys, dim=1), torch.cat(real, dim=1)


def _different(tokens: Tokens, vocabulary: int, longest: int) -> Iterator[np.ndarray]:
    """The different n-grams of each sample, in order."""
    keys, real = _keys(tokens, vocabulary, longest)
    for row, kept in zip(keys.numpy(), real.numpy(), strict=True):
        yield np.unique(row[kept])


def _frequent(rows: list[np.ndarray], min_samples: int, most: int) -> np.ndarray:
    """The n-grams of so many samples at least, in order; of more than `most` those of most samples."""
    keys, counts = np.unique(np.concatenate([np.empty(0, np.int64), *rows]), return_counts=True)
    kept = np.flatnonzero(counts >= min_samples)
    if len(kept) > most:
        kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[:most]])
    return keys[kept]


def _presence(rows: list[np.ndarray], keys: np.ndarray) -> Any:
    """``1 / √m`` for each known n-gram of each row, sparse ``(rows, n-grams)``; the rows are used up."""
    known = []
    while rows:
        row = rows.pop()
        places = np.searchsorted(keys, row).clip(max=len(keys) - 1)
        known.append(places[keys[places] == row].astype(np.int32))
    known.reverse()
    sizes = np.array([len(row) for row in known])
    values = np.repeat((1 / np.sqrt(sizes.clip(min=1))).astype(np.float32), sizes)
    ends = np.concatenate([[0], sizes.cumsum()])
    made = require("scipy.sparse", EXTRA).csr_matrix
    return made((values, np.concatenate([np.empty(0, np.int32), *known]), ends), shape=(len(sizes), len(keys)))


def _one(columns: Columns, output: int, present: Any, strength: float) -> tuple[np.ndarray, float]:
    """Weights ``(n-grams,)`` and bias of one output."""
    scale = _scale(columns, output, present)
    scaled = (present.data * scale[present.indices], present.indices, present.indptr)
    weights, bias = line(columns, output, type(present)(scaled, shape=present.shape), strength)
    return weights * scale, bias


def _scale(columns: Columns, output: int, present: Any) -> np.ndarray:
    """What each n-gram weighs before anything is solved, ``(n-grams,)``."""
    samples, ngrams = present.shape
    row = np.repeat(np.arange(samples), np.diff(present.indptr))

    def counts(of: np.ndarray) -> np.ndarray:
        return 1 + np.bincount(present.indices, of[row], minlength=ngrams)

    if columns.form == VALUES:
        return np.log((1 + samples) / counts(np.ones(samples))) + 1
    target = columns.output(output)
    inside, outside = counts(target == 1), counts(target == 0)
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())
