"""A bag of embeddings against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.models import BagOfEmbeddings
from sampleformer.models.bag import BagSettings
from sampleformer.tokens import Tokens

WORDS = 11


def model(ngrams: int, buckets: int = 50) -> BagOfEmbeddings:
    settings = BagSettings(width=6, ngrams=ngrams, buckets=buckets)
    return BagOfEmbeddings(settings, {"vocabulary": WORDS}, 3).double().eval()


def naive(bag: BagOfEmbeddings, words: list[int], ngrams: int, buckets: int) -> Tensor:
    """The mean over words and n-grams, one by one."""
    rows = list(words)
    for length in range(2, ngrams + 1):
        for start in range(len(words) - length + 1):
            hashed = words[start]
            for word in words[start + 1 : start + length]:
                hashed = (hashed * 1_000_003 + word + 1) % buckets
            rows.append(WORDS + hashed)
    vectors = bag.vectors.weight[rows]
    mean = vectors.mean(0) if rows else vectors.new_zeros(6)
    return bag.head.weight @ mean + bag.head.bias


@pytest.mark.parametrize("ngrams", [1, 2, 3])
def test_values_and_gradients(ngrams: int) -> None:
    bag, random = model(ngrams), np.random.default_rng(0)
    texts = [random.integers(0, WORDS, size=size).tolist() for size in (7, 1, 2, 0, 5)]
    codes = torch.full((5, 7), 10**6)
    mask = torch.zeros(5, 7, dtype=torch.bool)
    for row, text in enumerate(texts):
        codes[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
        mask[row, : len(text)] = True
    found = bag(Tokens(codes, mask))
    expected = torch.stack([naive(bag, text, ngrams, 50) for text in texts])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    weights = torch.randn(5, 3, dtype=torch.float64)
    one, other = (torch.autograd.grad((each * weights).sum(), tuple(bag.parameters())) for each in (found, expected))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


def test_the_order_of_words_matters_to_pairs_alone() -> None:
    codes = torch.tensor([[1, 2, 3, 4]])
    for ngrams, same in ((1, True), (2, False)):
        bag = model(ngrams)
        assert torch.allclose(bag(codes), bag(codes.flip(1))) is same


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="'bag' is for tokens with vocabulary, but these have features"):
        BagOfEmbeddings(BagSettings(), {"features": 2}, 2)
    with pytest.raises(InputError, match="expected 0 to 10"):
        model(1)(torch.tensor([[11]]))
    with pytest.raises(InputError, match="expected one code for each token"):
        model(1)(torch.zeros(1, 2, 3, dtype=torch.int64))
