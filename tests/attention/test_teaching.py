"""What teaches a scorer, against full attention written out."""

import math

import pytest
import torch
from torch import Tensor

from sampleformer.attention import Attention, ImportanceSampler, SamsaAttention, SftAttention
from sampleformer.attention.teaching import can_be_taught, score_divergence
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens

LENGTHS = (6, 2)


def _tokens(length: int = 6) -> Tokens:
    mask = torch.arange(length) < torch.tensor(LENGTHS)[:, None]
    return Tokens(torch.randn(2, length, 8, dtype=torch.float64).masked_fill(~mask[..., None], 0), mask)


def _expected(attention: Attention, tokens: Tokens, context: Tokens, row: int, group: int) -> Tensor:
    """KL of one set and group, from the weights of the layers, all real tokens asked."""
    assert context.mask is not None
    assert tokens.mask is not None
    count, extra = int(context.mask[row].sum()), attention.sampler.extra
    seen = attention.norm(tokens.features[row, : tokens.mask[row].sum()])
    heard = attention.norm(context.features[row, :count])
    e, of_group = attention.width // attention.heads, attention.heads // attention.sampler.groups
    mass = torch.zeros(count + extra, dtype=torch.float64)
    for head in range(group * of_group, (group + 1) * of_group):
        part = slice(head * e, (head + 1) * e)
        query, key = attention.query(seen)[:, part], attention.key_value(heard)[:, part]
        if extra:
            carried = attention.extra_key_value[group].unflatten(-1, (of_group, 2 * e))[:, head % of_group]
            key = torch.cat([key, carried[:, :e]])
        mass += (query @ key.T / math.sqrt(e)).softmax(-1).mean(0) / of_group
    sampler = attention.sampler
    assert isinstance(sampler, ImportanceSampler)
    scores = sampler.scorer(context.features[row : row + 1, :count])[0, group]
    if extra:
        scores = torch.cat([scores, sampler.extra_score[group]])
    return (mass * (mass.log() - scores.log_softmax(-1))).sum().detach()


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
def test_the_divergence_is_that_from_full_attention(groups: int, extra: int, cross: bool) -> None:
    attention = SamsaAttention(8, 4, sampled=2, groups=groups, extra=extra, norm=RMSNorm(8)).double()
    attention.taught_by = 9
    context, tokens = _tokens(), _tokens(7) if cross else None
    asking = context if tokens is None else tokens
    _, selection = attention(asking, context, return_selection=True)
    found = selection.scores.divergence
    assert found.shape == (2, groups)
    for row in range(2):
        for group in range(groups):
            torch.testing.assert_close(found[row, group].detach(), _expected(attention, asking, context, row, group))
    found.sum().backward()
    learnt = {name for name, part in attention.named_parameters() if part.grad is not None and part.grad.any()}
    of_sampler = {name for name, _ in attention.named_parameters() if ".scorer." in name or "extra_score" in name}
    assert learnt == of_sampler


def test_nothing_is_computed_unless_asked_for() -> None:
    attention = SamsaAttention(8, 4, sampled=2).double()
    assert attention(_tokens(), return_selection=True)[1].scores.divergence is None
    attention.taught_by = 4
    assert attention.eval()(_tokens(), return_selection=True)[1].scores.divergence is None


def test_few_queries_stand_for_all() -> None:
    attention = SamsaAttention(8, 2, sampled=2).double()
    tokens = Tokens(torch.randn(1, 1, 8, dtype=torch.float64).expand(1, 9, 8).contiguous())
    attention.taught_by = 1
    one = score_divergence(attention, torch.nn.Identity(), tokens, tokens, tokens)
    attention.taught_by = 9
    torch.testing.assert_close(score_divergence(attention, torch.nn.Identity(), tokens, tokens, tokens), one)


def test_who_can_be_taught() -> None:
    assert can_be_taught(SamsaAttention(8, 2))
    assert not can_be_taught(SftAttention(8, 2))
    assert not can_be_taught(Attention(8, 2))
