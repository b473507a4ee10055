"""A choice holds the scores that it was made by; scores that are no numbers are refused by name."""

import pytest
import torch

from sampleformer.attention import NonFiniteScores, SamsaAttention, Scores, SftAttention
from sampleformer.attention.samplers import PairSampler, check_finite
from sampleformer.encoder import Encoder, EncoderLayer, FeedForward
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens

WIDTH = 6


def masked_tokens() -> Tokens:
    mask = torch.tensor([[True] * 9, [True] * 4 + [False] * 5])
    return Tokens(torch.randn(2, 9, WIDTH), mask)


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_a_choice_holds_scores_without_noise(training: bool) -> None:
    sampler, tokens = PairSampler(WIDTH, groups=2, sampled=3, token_dropout=0.5).train(training), masked_tokens()
    noise = sampler.draw_noise(tokens) if training else None
    found = sampler(tokens, noise).scores
    torch.testing.assert_close(found.values, sampler._scores(tokens.features))
    assert torch.equal(found.mask, tokens.mask[:, None].expand(2, 2, 9))  # what is dropped is a token all the same
    found.values.sum().backward()
    assert sampler.score.bias.grad is not None


@pytest.mark.parametrize("choice", ["hard", "straight_through", "score_function"])
def test_a_compiled_attention_returns_its_scores(fresh_compiler: None, choice: str) -> None:
    attention, tokens = SamsaAttention(WIDTH, 2, sampled=3, choice=choice).train(), masked_tokens()
    compiled = torch.compile(attention, fullgraph=True, backend="eager")
    noise = attention.draw_noise(tokens)
    gradients = []
    for layer in (attention, compiled):
        attention.zero_grad()
        scores = layer(tokens, noise=noise, return_selection=True)[1].scores
        assert isinstance(scores, Scores)
        assert (scores.log_probability is not None) is (choice == "score_function")
        loss = scores.values.square().sum()
        if scores.log_probability is not None:
            loss = loss + scores.log_probability.sum()
        loss.backward()
        gradients.append(attention.sampler.scorer.score.weight.grad.clone())
    torch.testing.assert_close(gradients[1], gradients[0])
    assert gradients[0].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_scores_that_are_no_numbers_are_counted_where_there_are_tokens(value: float) -> None:
    scores = torch.randn(2, 3, 4)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])[:, None].expand(2, 3, 4)
    scores[:, 1, 3] = value
    with pytest.raises(NonFiniteScores, match=r"^group 2: 1 of 6 scores are NaN or infinite"):
        check_finite(scores, mask)
    with pytest.raises(NonFiniteScores, match=r"^group 2: 2 of 8 scores"):
        check_finite(scores, None)
    check_finite(scores[1:], mask[1:])  # there it is padding


def test_large_scores_whose_sum_overflows_are_scores() -> None:
    check_finite(torch.full((1, 1, 4), 3e38), None)


def _encoder(heads: int, groups: int) -> Encoder:
    encoder = Encoder.of(
        lambda norm: SftAttention(WIDTH, heads, sampled=3, norm=norm), width=WIDTH, layers=4, feedforward=8
    )
    for layer in encoder.layers:
        layer.attention.sampler = PairSampler(WIDTH, groups, sampled=3)
    return encoder


@pytest.mark.parametrize(
    ("groups", "whose"), [(6, "head 5"), (3, "heads 5 to 6")], ids=["a-head-a-group", "two-heads-a-group"]
)
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_the_message_names_layer_and_heads(groups: int, whose: str, training: bool) -> None:
    encoder = _encoder(6, groups).train(training)
    sampler = encoder.layers[2].attention.sampler
    with torch.no_grad():
        sampler.score.weight[-2 if groups == 6 else -1] = torch.nan
    with pytest.raises(InputError) as raised:
        encoder(Tokens(torch.randn(2, 9, WIDTH)))
    assert str(raised.value) == (
        f"layer 3, {whose}: 18 of 18 scores are NaN or infinite: the training has diverged; "
        "try a lower learning rate or training.gradient_clip"
    )


def test_a_compiled_program_checks_nothing(fresh_compiler: None) -> None:
    layer = EncoderLayer(SftAttention(WIDTH, 2, sampled=3), FeedForward(WIDTH, 8))
    encoder = Encoder([layer], norm=None, residual_scale=1.0).eval()
    compiled = torch.compile(encoder, fullgraph=True, backend="eager")
    tokens = masked_tokens()
    torch.testing.assert_close(compiled(tokens).features, encoder(tokens).features)
    assert bool(compiled(Tokens(torch.full((2, 9, WIDTH), torch.nan))).features.isnan().any())
