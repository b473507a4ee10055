"""What YOSO promises beyond the contract: its convolution, its hashes, its convergence."""

import pytest
import torch

from sampleformer.attention import YosoAttention
from sampleformer.functional.bernoulli import bernoulli_attention, expected_attention, gaussian_planes, unit_length
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens
from tests.attention.variations import HEADS, WIDTH, batch
from tests.naive.yoso import yoso as twin

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def yoso(**arguments: object) -> YosoAttention:
    return YosoAttention(WIDTH, HEADS, norm=RMSNorm(WIDTH), **{"hashes": 3, "code_length": 3, **arguments}).double()


@pytest.mark.parametrize("hashes", [3, None], ids=["sampled", "expectation"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_the_convolution_over_values_equals_the_twin(hashes, training):
    attention = yoso(hashes=hashes, convolution=5).train(training)
    tokens = batch([11, 6, 1], padding=2)
    noise = attention.draw_noise(tokens) if training else None
    features = tokens.features.clone().requires_grad_()
    found = attention(tokens.with_features(features), noise=noise)
    expected = twin(attention, features, tokens.mask, noise=noise)
    torch.testing.assert_close(found, expected, **EXACT)
    trained = [features, *attention.parameters()]
    upstream = torch.randn_like(found)
    for of_found, of_expected in zip(
        *(torch.autograd.grad(out, trained, upstream, materialize_grads=True) for out in (found, expected)), strict=True
    ):
        torch.testing.assert_close(of_found, of_expected, **EXACT)


def test_evaluation_uses_hashes_that_are_saved():
    first, second, tokens = yoso().eval(), yoso().eval(), batch([13, 7])
    weights = {name: value for name, value in first.state_dict().items() if name != "mixing.random"}
    second.load_state_dict({**weights, "mixing.random": second.mixing.random})
    assert not torch.equal(first(tokens), second(tokens))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(tokens), second(tokens))


def test_training_draws_hashes_for_each_pass():
    attention, tokens = yoso().train(), batch([13, 7])
    assert not torch.equal(attention(tokens), attention(tokens))


def test_many_hashes_come_close_to_the_expectation_as_one_over_their_root():
    """Before the result gets unit length: the mean square error of m hashes is that of one, divided by m."""
    torch.manual_seed(3)
    query, key = unit_length(torch.randn(2, 1, 2, 9, 8, dtype=torch.float64))
    value = torch.randn(1, 2, 9, 4, dtype=torch.float64)
    exact, draws = expected_attention(query, key, value, 3), 256
    errors = {}
    for hashes in (1, 16):
        squares = []
        for _ in range(draws):
            planes = gaussian_planes(hashes, 8, 3, dtype=torch.float64)
            squares.append((bernoulli_attention(query, key, value, planes) - exact).square().mean())
        squares = torch.stack(squares)
        errors[hashes] = (float(squares.mean()), float(squares.std()) / draws**0.5)
    (one, one_error), (sixteen, sixteen_error) = errors[1], errors[16]
    assert abs(16 * sixteen - one) < 4 * (16**2 * sixteen_error**2 + one_error**2) ** 0.5


def test_queries_equal_to_their_keys_give_no_nan():
    """float32 unit vectors may have a product with themselves of more than one."""
    attention = YosoAttention(32, 1, hashes=None).train()
    with torch.no_grad():
        attention.key_value.weight[:32] = attention.query.weight
        attention.key_value.bias[:32] = attention.query.bias
    tokens = Tokens(torch.randn(1, 200, 32, requires_grad=True))
    out = attention(tokens)
    out.square().sum().backward()
    assert bool(out.isfinite().all())
    assert bool(tokens.features.grad.isfinite().all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"hashes": 0}, "hashes is 0, expected at least 1, or None", id="hashes"),
        pytest.param({"code_length": 0}, "code_length is 0, expected 1 to 16", id="code-too-short"),
        pytest.param({"code_length": 17}, "code_length is 17, expected 1 to 16", id="code-too-long"),
        pytest.param({"hashing": "gausian"}, "hashing is 'gausian'; did you mean 'gaussian'", id="hashing"),
        pytest.param({"gradient": "exactly"}, "gradient is 'exactly'; did you mean 'exact'", id="gradient"),
        pytest.param({"convolution": 4}, "convolution is 4, expected an odd window", id="convolution"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        YosoAttention(WIDTH, HEADS, **arguments)
