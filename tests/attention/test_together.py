"""Attention to the tokens of all chunks at once against one chunk after the other: values and every gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import Attention, FullAttention, SamsaAttention, SftAttention, WindowAttention
from sampleformer.attention.samplers import NonFiniteScores
from sampleformer.attention.together import attended_together, attends_together
from sampleformer.distributed.streams import in_turn, streams
from sampleformer.functional.blocks import activation_checkpointing
from sampleformer.joined import Joined
from sampleformer.norms import BatchNorm, RMSNorm
from sampleformer.tokens import Tokens

WIDTH, HEADS = 12, 4
EXACT = {"rtol": 1e-10, "atol": 1e-10}
SIZES = [[7, 5], [13, 9, 11], [6]]
KINDS: dict[str, Callable[[], Attention]] = {
    "straight-through": lambda: SamsaAttention(WIDTH, HEADS, sampled=3, choice="straight_through", norm=RMSNorm(WIDTH)),
    "hard": lambda: SamsaAttention(WIDTH, HEADS, sampled=3, norm=RMSNorm(WIDTH)),
    "soft, groups of heads": lambda: SamsaAttention(WIDTH, HEADS, sampled=2, groups=2, choice="soft"),
    "more than there are": lambda: SamsaAttention(WIDTH, HEADS, sampled=40, choice="straight_through"),
    "window": lambda: WindowAttention(WIDTH, HEADS, window=2, norm=RMSNorm(WIDTH)),
    "no bias": lambda: SamsaAttention(WIDTH, HEADS, sampled=3, bias=False),
}


def chunks(dtype: torch.dtype = torch.float64) -> list[Tokens]:
    """Of unequal lengths, with padding behind and between the tokens, and without any."""
    torch.manual_seed(0)
    found = []
    for sizes in SIZES:
        mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
        mask[0, 1] = len(sizes) == 1
        features = torch.randn(*mask.shape, WIDTH, dtype=dtype, requires_grad=True)
        found.append(Tokens(features, None if bool(mask.all()) else mask))
    return found


def attention_of(name: str) -> Attention:
    torch.manual_seed(1)
    return KINDS[name]().double()


def alone(attention: Attention, joined: Joined) -> Tensor:
    return joined.join([attention(tokens) for tokens in in_turn(joined.apart())])


def gradients(found: Tensor, attention: nn.Module, given: list[Tokens]) -> list[Tensor]:
    torch.manual_seed(2)
    wanted = [each.features for each in given] + [each for each in attention.parameters() if each.requires_grad]
    return [
        torch.zeros_like(to) if each is None else each
        for each, to in zip(
            torch.autograd.grad(found, wanted, torch.randn_like(found), allow_unused=True), wanted, strict=True
        )
    ]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", list(KINDS))
def test_it_is_what_each_chunk_gives(name: str, training: bool) -> None:
    attention, given = attention_of(name).train(training), chunks()
    found, expected = [], []
    for results, attend in ((found, attended_together), (expected, alone)):
        joined = Joined.of(given)
        assert attends_together(attention, joined)
        with streams([5, 6, 7]):
            result = attend(attention, joined)
        results += [result, *gradients(result, attention, given)]
    for each, of_chunks in zip(found, expected, strict=True):
        torch.testing.assert_close(each, of_chunks, **EXACT)


def test_checkpointed_it_gives_the_same() -> None:
    attention, given = attention_of("straight-through"), chunks()
    with streams([5, 6, 7]):
        expected = attended_together(attention, Joined.of(given))
    with streams([5, 6, 7]), activation_checkpointing(tokens=4):
        found = attended_together(attention, Joined.of(given))
    for each, other in zip(gradients(found, attention, given), gradients(expected, attention, given), strict=True):
        torch.testing.assert_close(each, other, **EXACT)


def test_a_batch_norm_sees_the_tokens_of_all_chunks() -> None:
    attention, given = WindowAttention(WIDTH, HEADS, window=1, norm=BatchNorm(WIDTH)).double(), chunks()
    joined = Joined.of(given)
    found = attended_together(attention, joined)
    normal = nn.functional.batch_norm(joined.tokens.features[0], None, None, training=True, eps=attention.norm.epsilon)
    attention.norm = nn.Identity()
    torch.testing.assert_close(found, alone(attention, joined.with_features(normal[None])), **EXACT)


def test_scores_that_are_no_numbers_are_refused_by_heads() -> None:
    attention, given = attention_of("straight-through"), chunks()
    with torch.no_grad():
        attention.sampler.scorer.score.weight[2] = torch.nan
    with pytest.raises(NonFiniteScores, match="^head 3: 49 of 49 scores are NaN"):
        attended_together(attention, Joined.of(given))


def _hooked(attention: Attention) -> Attention:
    attention.register_forward_hook(lambda *_: None)
    return attention


class _Own(SamsaAttention):
    def forward(self, *given, **named):
        return super().forward(*given, **named)


@pytest.mark.parametrize(
    "attention",
    [
        FullAttention(WIDTH, HEADS),
        SftAttention(WIDTH, HEADS, sampled=3),
        SamsaAttention(WIDTH, HEADS, sampled=3, extra=1),
        _Own(WIDTH, HEADS, sampled=3),
        _hooked(SamsaAttention(WIDTH, HEADS, sampled=3)),
        nn.Linear(WIDTH, WIDTH),
    ],
    ids=["full", "sft", "learned tokens", "own forward", "hook", "no attention"],
)
def test_what_it_does_not_know_is_called_chunk_by_chunk(attention: nn.Module) -> None:
    assert not attends_together(attention, Joined.of(chunks(torch.float32)))


def test_chunks_are_alone_where_there_is_one_or_a_sample_is_far_longer() -> None:
    attention = SamsaAttention(WIDTH, HEADS, sampled=3)
    long, short = Tokens(torch.zeros(1, 900, WIDTH)), Tokens(torch.zeros(30, 3, WIDTH))
    assert attends_together(attention, Joined.of([short, short]))
    assert not attends_together(attention, Joined.of([short]))
    assert not attends_together(attention, Joined.of([short, long]))
