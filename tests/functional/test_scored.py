"""Attention by scores, put together, against its twins: scores and weights one pair at a time."""

import pytest
import torch

from sampleformer.functional.probabilities import PROBABILITIES
from sampleformer.functional.scored import scored_attention
from sampleformer.functional.scores import SCORES
from tests.naive import probabilities, scores


@pytest.mark.parametrize("related", [False, True], ids=["alone", "related"])
@pytest.mark.parametrize("probability", PROBABILITIES)
@pytest.mark.parametrize("score", SCORES)
def test_value_and_every_gradient_equal_the_twins(score, probability, related):
    query, key, value = (torch.randn(2, 2, n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 5, 5))
    leak = torch.randn(2, 2, 5, dtype=torch.float64, requires_grad=True)
    multiplicative, additive = torch.randn(2, 2, 2, 4, 5, dtype=torch.float64, requires_grad=True).unbind()
    valid = torch.tensor([[[True, False, True, True, False]], [[False] * 5]])
    leak = leak if PROBABILITIES[probability].leaks else None
    terms = (multiplicative, additive) if related else None
    found = scored_attention(query, key, value, valid, leak=leak, terms=terms, score=score, probability=probability)
    logits = scores.TWINS[score](query, key)
    if related:
        logits = logits * (1 + multiplicative.exp()).log() + additive
    expected = probabilities.TWINS[probability](logits, leak, valid) @ value
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    inputs = [tensor for tensor in (query, key, value, leak, *(terms or ())) if tensor is not None]
    upstream = torch.randn_like(found)
    own, twins = (torch.autograd.grad(out, inputs, upstream, retain_graph=True) for out in (found, expected))
    for one, other in zip(own, twins, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)
