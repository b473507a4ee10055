"""What SAMSA promises beyond the contract: its choice, its temperature, its extra tokens."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sampleformer.attention import FullAttention, SamsaAttention
from sampleformer.attention.samplers.scorer import ImportanceScorer
from sampleformer.tokens import Tokens
from tests.attention.variations import HEADS, WIDTH, batch
from tests.naive.samsa import samsa_scores

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def samsa(**arguments: object) -> SamsaAttention:
    return SamsaAttention(WIDTH, HEADS, **arguments).double()


def trained_parameters(attention: SamsaAttention) -> set[str]:
    return {name for name, parameter in attention.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("sampled", [13, 14, 256])
def test_taking_every_token_is_full_attention(sampled, training):
    sampling, full = samsa(sampled=sampled), FullAttention(WIDTH, HEADS).double()
    full.load_state_dict({name: value for name, value in sampling.state_dict().items() if name in full.state_dict()})
    tokens = batch([13, 7, 1, 0], padding=2 if sampled > 14 else 0)
    found, expected = sampling.train(training)(tokens), full.train(training)(tokens)
    torch.testing.assert_close(found, expected, **EXACT)
    upstream = torch.randn_like(found)
    names = [name for name, _ in full.named_parameters()]
    pairs = zip(
        torch.autograd.grad(found, [sampling.get_parameter(name) for name in names], upstream),
        torch.autograd.grad(expected, [full.get_parameter(name) for name in names], upstream),
        strict=True,
    )
    for of_sampling, of_full in pairs:
        torch.testing.assert_close(of_sampling, of_full, **EXACT)


def test_taking_every_token_leaves_the_scorer_without_a_gradient():
    attention = samsa(sampled=13).train()
    attention(batch([13, 7])).sum().backward()
    assert not any(parameter.grad.any() for parameter in attention.sampler.scorer.parameters())


def test_scores_are_the_published_formula():
    scorer = ImportanceScorer(WIDTH, 3).double()
    features = torch.randn(2, 7, WIDTH, dtype=torch.float64)
    holder = nn.Module()
    holder.sampler = nn.Module()
    holder.sampler.scorer = scorer
    expected = torch.stack([samsa_scores(holder, one) for one in features]).transpose(1, 2)
    torch.testing.assert_close(scorer(features), expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_scores_are_float32_or_wider(dtype):
    scores = ImportanceScorer(WIDTH, HEADS).to(dtype)(torch.randn(2, 7, WIDTH, dtype=dtype))
    assert scores.dtype == torch.promote_types(dtype, torch.float32)


def test_scores_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ImportanceScorer(WIDTH, HEADS)(torch.randn(2, 7, WIDTH)).dtype == torch.float32


def test_the_score_sees_the_input_before_the_norm():
    attention = samsa(sampled=3, norm=nn.LayerNorm(WIDTH)).eval()
    tokens = batch([13])
    _, selection = attention(tokens, return_selection=True)
    assert torch.equal(selection.indices, attention.sampler.scorer(tokens.features).topk(3).indices)
    assert not torch.equal(selection.indices, attention.sampler.scorer(attention.norm(tokens.features)).topk(3).indices)


@pytest.mark.parametrize("choice", ["hard", "soft"])
def test_each_head_attends_to_its_best_scores(choice):
    attention = samsa(sampled=3, choice=choice).eval()
    tokens = batch([13, 7])
    _, selection = attention(tokens, return_selection=True)
    scores = attention.sampler.scorer(tokens.features).masked_fill(~tokens.mask[:, None], -torch.inf)
    assert torch.equal(selection.indices, scores.topk(3).indices)


def test_equal_scores_are_taken_from_the_front():
    attention = SamsaAttention(WIDTH, HEADS, sampled=3).eval()
    with torch.no_grad():  # equal tokens are not enough: a matrix product may round each of its rows in its own way
        attention.sampler.scorer.score.weight.zero_()
    _, selection = attention(Tokens(torch.randn(2, 7, WIDTH)), return_selection=True)
    assert torch.equal(selection.indices, torch.arange(3).expand(2, HEADS, 3))


def test_noise_decides_what_is_sampled():
    attention = samsa(sampled=2).train()
    tokens, noise = batch([7]), torch.zeros(1, 1, HEADS, 7, dtype=torch.float64)
    noise[..., 0, [4, 1]] = torch.tensor([200.0, 100.0], dtype=torch.float64)
    noise[..., 1, [6, 0]] = torch.tensor([200.0, 100.0], dtype=torch.float64)
    _, selection = attention(tokens, noise=(noise, None), return_selection=True)
    assert selection.indices.tolist() == [[[4, 1], [6, 0]]]


def test_each_token_is_sampled_as_often_as_its_score_says():
    draws = 20_000
    attention = samsa(sampled=1).train()
    features = batch([5]).features
    tokens = Tokens(features.expand(draws, 5, WIDTH))
    noise = attention.draw_noise(tokens, generator=torch.Generator().manual_seed(2))
    _, selection = attention(tokens, noise=noise, return_selection=True)
    probability = attention.sampler.scorer(features)[0].softmax(-1)
    for head in range(HEADS):
        frequency = torch.bincount(selection.indices[:, head, 0], minlength=5) / draws
        standard_error = (probability[head] * (1 - probability[head]) / draws).sqrt()
        assert bool(((frequency - probability[head]).abs() < 4 * standard_error).all())


def test_a_token_that_no_head_chose_has_no_influence_in_evaluation():
    attention, tokens = samsa(sampled=3).eval(), batch([5])
    context = batch([13])
    features = context.features.requires_grad_()
    out, selection = attention(tokens, context, return_selection=True)
    (gradient,) = torch.autograd.grad(out.square().sum(), features)
    chosen = torch.zeros(13, dtype=torch.bool)
    chosen[selection.indices.flatten()] = True
    assert torch.equal(gradient[0].abs().sum(-1) > 0, chosen)


def test_the_next_best_are_felt_by_the_scores_in_training():
    attention, context = samsa(sampled=2).train(), batch([13])
    noise = torch.linspace(60, 0, 13).double().expand(1, 1, HEADS, 13)
    attention.sampler.raw_temperature.data.fill_(20.0)  # no pair is decided, so every score matters
    features = context.features.requires_grad_()
    (gradient,) = torch.autograd.grad(attention(batch([5]), context, noise=(noise, None)).square().sum(), features)
    assert torch.equal(gradient[0].abs().sum(-1) > 0, torch.arange(13) < 4)


def test_a_cold_soft_choice_is_the_hard_one():
    soft, hard = samsa(sampled=3, choice="soft", temperature=1e-6).eval(), samsa(sampled=3).eval()
    hard.load_state_dict({**soft.state_dict(), "sampler.raw_temperature": hard.sampler.raw_temperature})
    tokens = batch([13, 7])
    torch.testing.assert_close(soft(tokens), hard(tokens), **EXACT)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0, 2.5, 50.0])
def test_temperature_is_what_was_asked_for(temperature):
    attention = SamsaAttention(WIDTH, HEADS, temperature=temperature)
    torch.testing.assert_close(attention.sampler.temperature, torch.full((HEADS,), temperature), rtol=1e-5, atol=0)


@pytest.mark.parametrize("choice", ["hard", "soft"])
def test_temperature_is_trained_only_if_asked(choice):
    assert "sampler.raw_temperature" not in trained_parameters(samsa(sampled=3, choice=choice))
    learned = samsa(sampled=3, choice=choice, learned_temperature=True).train()
    learned(batch([13, 7])).square().sum().backward()
    assert bool((learned.sampler.raw_temperature.grad != 0).all())


def test_fixed_temperature_is_saved_with_the_weights():
    cold, warm = samsa(sampled=3, temperature=0.1), samsa(sampled=3, temperature=2.0)
    warm.load_state_dict(cold.state_dict())
    torch.testing.assert_close(warm.sampler.temperature, cold.sampler.temperature)


def test_heads_may_choose_nothing_but_extra_tokens():
    attention = samsa(sampled=2, extra=3).eval()
    with torch.no_grad():
        attention.sampler.extra_score += 1e3
    tokens = batch([7, 0])
    out, selection = attention(tokens, return_selection=True)
    assert bool((selection.indices >= 7).all())
    assert bool(selection.valid.all())
    shifted = tokens.with_features(tokens.features + torch.tensor([[[0.0]], [[5.0]]], dtype=torch.float64))
    torch.testing.assert_close(attention(shifted)[0], out[0], **EXACT)


def test_extra_tokens_are_there_for_an_empty_context():
    attention = samsa(sampled=2, extra=3).eval()
    tokens, context = batch([5]), Tokens(torch.zeros(1, 4, WIDTH).double(), torch.zeros(1, 4, dtype=torch.bool))
    assert bool(attention(tokens, context).abs().sum() > 0)
    assert not samsa(sampled=2).eval()(tokens, context).any()


def test_without_extra_tokens_there_are_no_parameters_for_them():
    assert not any("extra" in name for name, _ in samsa(sampled=3).named_parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"sampled": 0}, "sampled is 0, expected at least 1", id="sampled-0"),
        pytest.param({"sampled": -3}, "sampled is -3, expected at least 1", id="sampled-negative"),
        pytest.param({"temperature": 0.0}, "temperature is 0.0, expected more than 0", id="temperature-0"),
        pytest.param({"temperature": -1.0}, "temperature is -1.0, expected more than 0", id="temperature-negative"),
        pytest.param({"temperature": float("nan")}, "temperature is nan, expected more than 0", id="temperature-nan"),
        pytest.param({"extra": -1}, "extra is -1, expected at least 0", id="extra-negative"),
        pytest.param({"noise": -1.0}, "noise is -1.0, expected at least 0", id="noise"),
        pytest.param({"noise": float("inf")}, "noise is inf, expected at least 0 and finite", id="noise-inf"),
        pytest.param(
            {"noise": 0.0, "choice": "score_function"}, "noise is 0, expected more with choice", id="no-noise"
        ),
        pytest.param(
            {"choice": "sotf"}, "choice is 'sotf'; did you mean 'soft'.*allowed: detached, gated, hard", id="choice"
        ),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SamsaAttention(WIDTH, HEADS, **arguments)


def test_repr_tells_how_it_samples():
    assert "sampled=3, choice=soft, extra=2" in repr(SamsaAttention(WIDTH, HEADS, sampled=3, choice="soft", extra=2))


@pytest.mark.parametrize(("training", "projected"), [(False, 1), (True, 2)], ids=["eval-k", "training-2k"])
def test_only_chosen_tokens_are_projected(training, projected):
    n, d, h, k = 512, 64, 4, 8
    attention = SamsaAttention(d, h, sampled=k).train(training)
    tokens = Tokens(torch.randn(1, n, d))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        attention(tokens)
    per_token = 2 * d * d + d * h + 2 * d * d  # scorer, query and output
    choice = projected * h * k * d * (2 * d // h)
    attended = 2 * n * k * d
    assert 2 * n * per_token <= counter.get_total_flops() <= 2 * (n * per_token + choice + attended)
