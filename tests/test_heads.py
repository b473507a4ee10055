"""Pooling and heads: padding has no weight, an empty set gives zeros, never NaN."""

import math

import pytest
import torch
from torch import Tensor

from sampleformer.heads import POOLINGS, AttentionPooling, PairHead, SampleHead, TokenHead
from sampleformer.tokens import Tokens
from tests.attention.variations import batch, with_padding

WIDTH = 6
LENGTHS = [7, 1, 0, 3]


def pooled_one_by_one(kind: str, pooling: torch.nn.Module, tokens: Tokens) -> Tensor:
    rows = []
    for features, mask in zip(tokens.features, tokens.mask, strict=True):
        real = [features[i] for i in range(len(features)) if mask[i]]
        if not real:
            rows.append(torch.zeros_like(features[0]))
        elif kind == "mean":
            rows.append(sum(real) / len(real))
        elif kind == "max":
            rows.append(torch.stack([max(token[c] for token in real) for c in range(WIDTH)]))
        else:
            scores = [(token * pooling.score.weight[0]).sum() + pooling.score.bias[0] for token in real]
            total = sum(math.exp(score.item()) for score in scores)
            rows.append(sum(math.exp(score.item()) / total * token for score, token in zip(scores, real, strict=True)))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooling_equals_one_set_at_a_time(kind):
    pooling, tokens = POOLINGS[kind](WIDTH).double(), batch(LENGTHS, padding=2, width=WIDTH)
    expected = pooled_one_by_one(kind, pooling, tokens)
    torch.testing.assert_close(pooling(tokens), expected.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooling_without_a_mask_is_pooling_with_everything_real(kind):
    pooling, features = POOLINGS[kind](WIDTH).double(), torch.randn(3, 5, WIDTH, dtype=torch.float64)
    everything = Tokens(features, torch.ones(3, 5, dtype=torch.bool))
    torch.testing.assert_close(pooling(Tokens(features)), pooling(everything), rtol=1e-12, atol=1e-12)


def heads() -> dict[str, torch.nn.Module]:
    return {**{kind: SampleHead(WIDTH, 3, pooling=kind) for kind in POOLINGS}, "per-token": TokenHead(WIDTH, 3)}


@pytest.mark.parametrize("content", [1e30, float("inf"), float("nan")], ids=str)
@pytest.mark.parametrize("kind", heads())
def test_content_of_padding_changes_neither_value_nor_gradient(kind, content):
    head, tokens = heads()[kind].double(), batch(LENGTHS, padding=2, width=WIDTH)
    results = []
    for given in (with_padding(tokens, 0.0), with_padding(tokens, content)):
        features = given.features.clone().requires_grad_()
        out = head(given.with_features(features))
        results.append((out, *torch.autograd.grad(out.square().sum(), [features, *head.parameters()])))
    for expected, found in zip(*results, strict=True):
        assert bool(expected.isfinite().all())
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", POOLINGS)
def test_an_empty_set_is_answered_from_the_bias_alone(kind):
    head, tokens = SampleHead(WIDTH, 3, pooling=kind).double(), batch(LENGTHS, width=WIDTH)
    torch.testing.assert_close(head(tokens)[2], head.output.bias.detach())


def test_attention_weights_sum_to_one_or_to_nothing():
    weights = AttentionPooling(WIDTH).double().weights(batch(LENGTHS, padding=2, width=WIDTH))
    torch.testing.assert_close(weights.sum(-1), torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64))
    assert not weights[batch(LENGTHS, padding=2, width=WIDTH).mask.logical_not()].any()


def test_per_token_answers_are_zero_at_padding():
    head, tokens = TokenHead(WIDTH, 3), batch(LENGTHS, width=WIDTH, dtype=torch.float32)
    out = head(tokens)
    assert out.shape == (4, 7, 3)
    assert not out[~tokens.mask].any()
    torch.testing.assert_close(out[tokens.mask], head.output(tokens.features[tokens.mask]))


@pytest.mark.parametrize("kind", heads())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_answers_have_the_dtype_of_the_weights(kind, dtype):
    assert heads()[kind].to(dtype)(batch(LENGTHS, width=WIDTH, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("make", [SampleHead, TokenHead], ids=["set", "per-token"])
def test_no_outputs_are_refused(make):
    with pytest.raises(ValueError, match="outputs is 0, expected at least 1"):
        make(WIDTH, 0)


def test_an_unknown_pooling_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="pooling is 'maen'; did you mean 'mean'"):
        SampleHead(WIDTH, 3, pooling="maen")


@pytest.mark.parametrize("directed", [False, True], ids=["undirected", "directed"])
def test_pairs_are_answered_by_the_formula(directed):
    head, tokens = PairHead(WIDTH, 3, directed=directed).double(), batch([5, 3], width=WIDTH)
    pairs = torch.tensor([[[0, 1], [4, 2]], [[2, 2], [1, 0]]])
    found = head(tokens, pairs)
    for row in range(2):
        for place in range(2):
            i, j = tokens.features[row, pairs[row, place, 0]], tokens.features[row, pairs[row, place, 1]]
            joined = torch.cat([i, j, i * j]) if directed else torch.cat([i * j, (i - j).abs()])
            torch.testing.assert_close(found[row, place], head.answer(joined))
    turned = head(tokens, pairs.flip(-1))
    assert torch.allclose(turned, found) is not directed
    with pytest.raises(ValueError, match="outputs is 0, expected at least 1"):
        PairHead(WIDTH, 0)
