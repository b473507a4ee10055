"""Every estimator of a choice: what it chooses, what evaluation sees, and the gradients that have an exact value."""

import pytest
import torch

from sampleformer.attention import SamsaAttention
from sampleformer.attention.samplers import ImportanceSampler
from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.functional.relaxed_topk import relaxed_topk
from sampleformer.functional.sampling import gumbel_noise
from sampleformer.functional.subsets import subset_marginals
from sampleformer.tokens import Tokens
from tests.naive import estimators as naive

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
with_presence = pytest.mark.parametrize("name", ["straight_through", "simple", "relaxed_subset"])
ONE = torch.ones((), dtype=torch.float64)
TEMPERATURE = torch.tensor([1.0, 0.7], dtype=torch.float64)


def problem(n: int = 9, draws: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.randn(3, 2, n, dtype=torch.float64, requires_grad=True)
    noise = torch.cat([gumbel_noise(1, 3, 2, n, dtype=torch.float64), torch.rand(draws - 1, 3, 2, n).double()])
    return scores, noise


@every_estimator
@pytest.mark.parametrize("masked", [False, True])
def test_evaluation_and_training_without_noise_choose_the_k_best(name, masked):
    scores, noise = problem()
    mask = torch.rand(3, 2, 9) < 0.7 if masked else None
    ranks = scores.detach() if mask is None else scores.detach().masked_fill(~mask, -torch.inf)
    best = ranks.argsort(-1, descending=True)[..., :3]
    estimator = ESTIMATORS[name]
    trained = estimator.train(scores, mask, noise, 0 * ONE, 3, TEMPERATURE)
    for choice in (estimator.evaluate(scores, mask, 3, TEMPERATURE), trained):
        selection = choice.selection(2)
        real = torch.ones_like(best, dtype=torch.bool) if mask is None else mask.gather(-1, best)
        assert torch.equal(selection.valid, real)
        assert torch.equal(selection.indices[real], best[real])


@every_estimator
def test_training_chooses_k_tokens_that_are_there(name):
    scores, noise = problem()
    mask = torch.tensor([9, 5, 2])[:, None, None] > torch.arange(9)
    selection = ESTIMATORS[name].train(scores, mask.expand(3, 2, 9), noise, ONE, 3, TEMPERATURE).selection(2)
    assert selection.indices.shape == (3, 2, 3)
    assert selection.valid.sum(-1).tolist() == [[3, 3], [3, 3], [2, 2]]
    for row, length in enumerate((9, 5, 2)):
        for indices, valid in zip(selection.indices[row], selection.valid[row], strict=True):
            chosen = indices[valid].tolist()
            assert len(set(chosen)) == len(chosen)
            assert all(index < length for index in chosen)


@with_presence
def test_presence_is_one_for_the_chosen_and_zero_for_the_others(name):
    scores, noise = problem()
    choice = ESTIMATORS[name].train(scores, None, noise, ONE, 3, TEMPERATURE)
    assert choice.slots == 6
    torch.testing.assert_close(choice.presence.sum(-1), torch.full((3, 2), 3.0, dtype=torch.float64))
    if name != "relaxed_subset":
        assert torch.equal(choice.presence.detach(), torch.tensor([1.0] * 3 + [0.0] * 3).double().expand(3, 2, 6))


@with_presence
def test_with_all_tokens_chosen_presence_is_one_and_has_no_gradient(name):
    scores, noise = problem(n=4)
    choice = ESTIMATORS[name].train(scores, None, noise, ONE, 5, TEMPERATURE)
    assert torch.equal(choice.presence.detach(), torch.ones(3, 2, 4, dtype=torch.float64))
    (gradient,) = torch.autograd.grad((choice.presence * torch.randn(4)).sum(), scores, materialize_grads=True)
    assert not gradient.any()


def test_the_gradient_of_straight_through_is_that_of_the_relaxed_choice():
    scores, noise = problem()
    pull = torch.randn(3, 2, 6, dtype=torch.float64)
    choice = ESTIMATORS["straight_through"].train(scores, None, noise, ONE, 3, TEMPERATURE)
    (found,) = torch.autograd.grad((choice.presence * pull).sum(), scores)
    relaxed = relaxed_topk((scores + noise[0]).gather(-1, choice.indices), 3, TEMPERATURE)
    (expected,) = torch.autograd.grad((relaxed * pull).sum(), scores)
    torch.testing.assert_close(found, expected)


def test_simple_is_exact_for_a_loss_that_is_linear_in_the_choice():
    # With 2k >= n every token is a candidate, and E[w·z] = w·μ, whose gradient each single draw must give.
    scores, worth = torch.randn(6, dtype=torch.float64, requires_grad=True), torch.randn(6, dtype=torch.float64)
    (expected,) = torch.autograd.grad(naive.subset_marginals(scores, 3) @ worth, scores)
    for _ in range(5):
        noise = torch.cat([gumbel_noise(1, 1, 1, 6, dtype=torch.float64), torch.rand(1, 1, 1, 6).double()])
        choice = ESTIMATORS["simple"].train(scores.expand(1, 1, 6), None, noise, ONE, 3, ONE.expand(1))
        (found,) = torch.autograd.grad((choice.presence * worth[choice.indices]).sum(), scores)
        torch.testing.assert_close(found, expected)


def test_simple_draws_subsets_with_their_probabilities():
    scores, draws = torch.tensor([1.0, -1.0, 0.5, 0.0]), 20_000
    generator = torch.Generator().manual_seed(5)
    noise = torch.cat([gumbel_noise(1, draws, 1, 4, generator=generator), torch.rand(1, draws, 1, 4)])
    choice = ESTIMATORS["simple"].train(scores.expand(draws, 1, 4), None, noise, torch.ones(()), 2, torch.ones(1))
    share = torch.zeros(draws, 4).scatter(1, choice.indices[:, 0, :2], 1.0).mean(0)
    expected = subset_marginals(scores, 2)
    assert bool(((share - expected).abs() < 5 * (expected * (1 - expected) / draws).sqrt()).all())


def test_gates_multiply_values_in_training_and_evaluation():
    attention = SamsaAttention(8, 2, sampled=3, choice="gated", temperature=0.5).double()
    tokens = Tokens(torch.randn(1, 3, 8, dtype=torch.float64))  # all are chosen, so noise changes nothing
    scores = attention.sampler.scorer(tokens.features)
    with torch.no_grad():
        trained, evaluated = attention(tokens), attention.eval()(tokens)
    torch.testing.assert_close(trained, evaluated)
    features = tokens.features[0]
    query = attention.query(features).unflatten(-1, (2, 4)).transpose(0, 1)
    key, value = (half.unflatten(-1, (2, 4)).transpose(0, 1) for half in attention.key_value(features).chunk(2, -1))
    gated = value * torch.sigmoid(scores[0] / 0.5)[..., None]
    expected = attention.output(((query @ key.mT / 2).softmax(-1) @ gated).transpose(0, 1).flatten(1))
    torch.testing.assert_close(evaluated[0], expected)


def test_the_score_function_tells_how_probable_its_choice_was():
    sampler = ImportanceSampler(8, groups=2, sampled=2, choice="score_function").double()
    tokens = Tokens(torch.randn(3, 5, 8, dtype=torch.float64))
    noise = sampler.draw_noise(tokens)
    for scale in (1.0, 0.5):
        sampler.noise_scale.fill_(scale)
        choice = sampler(tokens, noise)
        scores = sampler.scorer(tokens.features) / scale
        for row in range(3):
            expected = sum(
                naive.ordered_log_probability(scores[row, group], choice.indices[row, group].tolist())
                for group in range(2)
            )
            torch.testing.assert_close(choice.scores.log_probability[row], expected)
    sampler.noise_scale.zero_()  # the k best are certain, whatever the scores are
    log_probability = sampler(tokens, noise).scores.log_probability
    assert not log_probability.any()
    (gradient,) = torch.autograd.grad(log_probability.sum(), sampler.scorer.score.weight)
    assert not gradient.any()
    sampler.eval()
    assert sampler(tokens, None).scores.log_probability is None


def test_the_score_function_is_certain_of_a_choice_of_all_tokens():
    sampler = ImportanceSampler(8, groups=2, sampled=4, choice="score_function")
    mask = torch.tensor([7, 5, 4, 2, 0])[:, None] > torch.arange(7)
    tokens = Tokens(torch.randn(5, 7, 8), mask)
    for given, certain in (
        (tokens, [False, False, True, True, True]),
        (Tokens(tokens.features[:, :4]), [True] * 5),
    ):
        choice = sampler(given, sampler.draw_noise(given))
        assert (choice.scores.log_probability == 0).tolist() == certain


def test_without_noise_training_is_evaluation():
    attention = SamsaAttention(8, 2, sampled=2, choice="straight_through", noise=0.0).double()
    tokens = Tokens(torch.randn(2, 7, 8, dtype=torch.float64))
    torch.testing.assert_close(attention(tokens), attention.eval()(tokens))


@every_estimator
def test_scores_learn_from_the_loss(name):
    if ESTIMATORS[name].repeats:
        pytest.skip("learns from the loss of several draws, see tests/training")
    attention = SamsaAttention(8, 2, sampled=2, choice=name)
    attention(Tokens(torch.randn(2, 7, 8))).square().sum().backward()
    gradient = attention.sampler.scorer.score.weight.grad
    assert (gradient is not None and bool(gradient.any())) == ESTIMATORS[name].learns


@with_presence
def test_less_noise_does_not_make_scores_learn_faster(name):
    scores, noise = problem(n=7)
    norms = []
    for scale in (1.0, 0.01):
        choice = ESTIMATORS[name].train(scores, None, noise, scale * ONE, 3, TEMPERATURE)
        pull = torch.linspace(-1, 1, 6, dtype=torch.float64)
        norms.append(torch.autograd.grad((choice.presence * pull).sum(), scores)[0].norm())
    assert norms[1] < 3 * norms[0]
