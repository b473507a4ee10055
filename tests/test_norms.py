"""The norms: tokenwise ones, and the batch norm that knows padding, against its twin and torch's."""

import pytest
import torch
from torch import Tensor, nn

from sampleformer.norms import NORMS, BatchNorm, LayerNorm
from tests.naive.norms import batch_norm as naive_batch_norm

WIDTH = 3
BATCHES = [
    pytest.param([[True, True, False, True, False], [False, True, False, False, False]], id="padded"),
    pytest.param([[True] * 5] * 2, id="full"),
    pytest.param([[False, False, False, True, False], [False] * 5], id="one-token"),
    pytest.param([[False] * 5] * 2, id="no-token"),
]


def batch_norm(dtype: torch.dtype = torch.float64, **arguments: float) -> BatchNorm:
    norm = BatchNorm(WIDTH, **arguments)
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * torch.randn(WIDTH))
        norm.bias.copy_(torch.randn(WIDTH))
    return norm.to(dtype)


def tokens(mask: list[list[bool]]) -> tuple[Tensor, Tensor]:
    return 2 * torch.randn(len(mask), len(mask[0]), WIDTH, dtype=torch.float64) + 1, torch.tensor(mask)


@pytest.mark.parametrize("mask", BATCHES)
def test_batch_norm_equals_its_twin_in_value_and_every_gradient(mask):
    norm, (features, mask) = batch_norm(epsilon=1e-3), tokens(mask)
    leaves = [features.requires_grad_(), norm.weight, norm.bias]
    upstream = torch.randn_like(features)
    results = []
    for out in (norm(features, mask), naive_batch_norm(features, norm.weight, norm.bias, mask, 1e-3)[0]):
        results.append([out, *torch.autograd.grad(out, leaves, upstream, materialize_grads=True)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_running_statistics_follow_the_twins_over_several_batches():
    norm = batch_norm(momentum=0.3)
    mean, variance = torch.zeros(WIDTH).double(), torch.ones(WIDTH).double()
    for mask in (parameters.values[0] for parameters in BATCHES for _ in range(2)):
        features, mask = tokens(mask)
        norm(features, mask)
        _, statistics, count = naive_batch_norm(features, norm.weight, norm.bias, mask, 1e-5)
        if count > 1:
            now = torch.tensor(statistics, dtype=torch.float64)
            mean, variance = 0.7 * mean + 0.3 * now[:, 0], 0.7 * variance + 0.3 * now[:, 1]
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-12, atol=1e-12)
    features, mask = tokens(BATCHES[0].values[0])
    found = norm.eval()(features, mask)
    torch.testing.assert_close(found, (features - mean) / (variance + 1e-5).sqrt() * norm.weight + norm.bias)
    assert torch.equal(found, norm(features)), "in evaluation the mask does not matter"
    assert torch.equal(found[:, 1:3], norm(features[:, 1:3])), "in evaluation each token is alone"
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-12, atol=1e-12)


def test_batch_norm_without_padding_is_torchs():
    norm, torchs = batch_norm(), nn.BatchNorm1d(WIDTH).double()
    torchs.weight, torchs.bias = norm.weight, norm.bias
    for step in range(4):
        features = (torch.randn(2, 5 + step, WIDTH, dtype=torch.float64) * 3 - 1).requires_grad_()
        mask = None if step % 2 else torch.ones(2, 5 + step, dtype=torch.bool)
        results = []
        for out in (norm(features, mask), torchs(features.flatten(0, 1)).view_as(features)):
            leaves = (features, norm.weight, norm.bias)
            results.append([out, *torch.autograd.grad(out.pow(3).sum(), leaves)])
        for found, expected in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(norm.running_mean, torchs.running_mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.running_var, torchs.running_var, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm.eval()(features), torchs.eval()(features.flatten(0, 1)).view_as(features))


def test_batch_norm_gradcheck():
    features, mask = tokens(BATCHES[0].values[0])
    norm = batch_norm()
    assert torch.autograd.gradcheck(lambda features: norm(features, mask), features.requires_grad_())
    assert torch.autograd.gradcheck(norm.eval(), features)


@pytest.mark.parametrize("content", [1e100, float("inf"), float("nan")], ids=str)
@pytest.mark.parametrize("mask", BATCHES)
def test_content_of_padding_changes_neither_value_nor_gradient_nor_statistics(mask, content):
    features, mask = tokens(mask)
    results = []
    for given in (features, features.masked_fill(~mask[..., None], content)):
        torch.manual_seed(1)
        norm, leaf = batch_norm(), given.clone().requires_grad_()
        out = norm(leaf, mask)
        gradients = torch.autograd.grad(out.pow(3).sum(), (leaf, norm.weight, norm.bias))
        assert not gradients[0][~mask].any()
        results.append([out, *gradients, norm.running_mean, norm.running_var])
    for expected, found in zip(*results, strict=True):
        assert bool(expected.isfinite().all())
        assert torch.equal(found, expected)


@pytest.mark.parametrize("mask", BATCHES[2:])
def test_too_few_tokens_for_a_variance_leave_the_running_statistics(mask):
    norm, (features, mask) = batch_norm(), tokens(mask)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    torch.testing.assert_close(norm(features, mask), norm.bias.expand_as(features))
    assert all(torch.equal(norm.state_dict()[name], tensor) for name, tensor in before.items())


def test_one_token_and_no_token_without_a_mask():
    norm = batch_norm()
    assert torch.equal(norm(torch.randn(1, 1, WIDTH).double()), norm.bias.expand(1, 1, WIDTH))
    features = torch.zeros(2, 0, WIDTH, dtype=torch.float64, requires_grad=True)
    norm(features).sum().backward()
    assert features.grad.shape == (2, 0, WIDTH)
    assert bool(norm.running_var.isfinite().all())


def test_layer_norm_is_its_formula_and_torchs():
    norm = LayerNorm(WIDTH, epsilon=1e-3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    features = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    centered = features - features.mean(-1, keepdim=True)
    variance = centered.square().mean(-1, keepdim=True)
    torch.testing.assert_close(norm(features), centered / (variance + 1e-3).sqrt() * norm.weight + norm.bias)
    torchs = nn.LayerNorm(WIDTH, eps=1e-3).double()
    torchs.load_state_dict(norm.state_dict())
    assert torch.equal(norm(features), torchs(features))


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("name", NORMS)
def test_a_tokenwise_norm_gives_each_token_the_same_alone(name, training):
    norm = NORMS[name](WIDTH).double().train(training)
    features, mask = tokens([[True, True, False, True], [True, False, False, False]])
    alone = all(torch.allclose(norm(features)[:, i : i + 1], norm(features[:, i : i + 1])) for i in range(4))
    assert norm.tokenwise == alone == (name != "batch" or not training)
    if norm.tokenwise:
        assert torch.equal(norm(features, mask), norm(features))


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
@pytest.mark.parametrize("name", NORMS)
def test_lower_precision_keeps_its_dtype_and_is_close(name, grad, training):
    norm = NORMS[name](WIDTH).bfloat16().train(training)
    reference = NORMS[name](WIDTH).double().train(training)
    features, mask = tokens([[True] * 20, [True] * 7 + [False] * 13])
    features = features.bfloat16()
    with torch.set_grad_enabled(grad):
        found, expected = norm(features, mask), reference(features.double(), mask)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double()[mask], expected[mask], rtol=2**-7, atol=2**-7)
    # Weights of one precision, features of another, as they come under autocast.
    assert NORMS[name](WIDTH).train(training)(features, mask).dtype == torch.bfloat16


def test_running_statistics_of_lower_precision_move():
    norm = batch_norm(torch.bfloat16)
    norm(torch.randn(2, 50, WIDTH).bfloat16() + 3)
    assert norm.running_mean.dtype == torch.bfloat16
    assert bool(((norm.running_mean > 0.2) & (norm.running_mean < 0.4)).all())


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("name", NORMS)
def test_compiled_equals_eager(name, training, fresh_compiler):
    norms = [NORMS[name](WIDTH).double().train(training) for _ in range(2)]
    compiled = torch.compile(norms[1], fullgraph=True, backend="aot_eager", dynamic=True)
    for mask in ([[True, True, False], [True, False, False]], [[True] * 4] * 3):
        features, mask = tokens(mask)
        results = []
        for norm in (norms[0], compiled):
            leaf = features.clone().requires_grad_()
            out = norm(leaf, mask)
            results.append([out, *torch.autograd.grad(out.pow(3).sum(), leaf)])
        for expected, found in zip(*results, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for expected, found in zip(*(norm.state_dict().values() for norm in norms), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_exported_with_any_batch_and_length_equals_eager(name):
    norm, any_size = NORMS[name](WIDTH).double().eval(), {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    example = tokens([[True, True, False], [True, False, False]])
    program = torch.export.export(norm, example, dynamic_shapes=(any_size, any_size), strict=False).module()
    for mask in ([[True]], [[True, False, True, True]] * 3):
        given = tokens(mask)
        torch.testing.assert_close(program(*given), norm(*given), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_norms_tell_their_size(name):
    assert f"({WIDTH}, epsilon=" in repr(NORMS[name](WIDTH))
