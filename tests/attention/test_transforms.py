"""Transforms of torch over every registered attention: per-sample and second derivatives, fake and meta tensors."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, vmap

from sampleformer.attention import SamsaAttention, SftAttention
from sampleformer.tokens import Tokens
from tests.attention.variations import CASES, CROSS, WIDTH, batch, build

every_case = pytest.mark.parametrize("case", CASES)
trained_or_not = pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])


@every_case
@trained_or_not
def test_gradients_of_each_sample_are_those_of_the_sample_alone(case, training):
    attention = build(case).train(training)
    tokens = batch([6, 4, 3])
    of_sampler, of_mixing = (attention.draw_noise(tokens) if training else None) or (None, None)

    def loss(parameters: dict[str, Tensor], features: Tensor, mask: Tensor, drawn: Tensor | None) -> Tensor:
        noise = (None if drawn is None else drawn.unsqueeze(1), of_mixing)
        return functional_call(attention, parameters, (Tokens(features[None], mask[None]),), {"noise": noise}).sum()

    in_dims = (None, 0, 0, None if of_sampler is None else 1)
    parameters = {name: parameter.detach() for name, parameter in attention.named_parameters()}
    found = vmap(grad(loss), in_dims=in_dims)(parameters, tokens.features, tokens.mask, of_sampler)
    for sample in range(3):
        drawn = None if of_sampler is None else of_sampler[:, sample]
        out = loss(dict(attention.named_parameters()), tokens.features[sample], tokens.mask[sample], drawn)
        trained = {name: p for name, p in attention.named_parameters() if p.requires_grad}
        alone = torch.autograd.grad(out, list(trained.values()), materialize_grads=True)
        for name, expected in zip(trained, alone, strict=True):
            assert torch.allclose(found[name][sample], expected, rtol=1e-8, atol=1e-10), name


@every_case
@trained_or_not
def test_gradients_can_be_differentiated_again(case, training):
    attention = build(case).train(training)
    tokens = batch([6, 4])
    noise = attention.draw_noise(tokens)
    direction, weights = torch.randn(2, *tokens.features.shape, dtype=torch.float64)

    def gradient(features: Tensor, *, again: bool) -> Tensor:
        features = features.detach().requires_grad_()
        loss = (attention(tokens.with_features(features), noise=noise).sin() * weights).sum()
        (found,) = torch.autograd.grad(loss, features, create_graph=again)
        return torch.autograd.grad((found * direction).sum(), features)[0] if again else found

    second = gradient(tokens.features, again=True)
    assert bool(second.isfinite().all())
    assert bool(second.any())
    if training or case.startswith("yoso"):
        return  # surrogates are the derivative of nothing: their own are tested function by function
    step = 1e-5 * torch.randn_like(second)
    change = gradient(tokens.features + step, again=False) - gradient(tokens.features - step, again=False)
    expected = (change * direction).sum() / 2
    torch.testing.assert_close((second * step).sum(), expected, rtol=1e-4, atol=1e-10)


@every_case
@pytest.mark.parametrize("kind", ["fake", "meta"])
def test_tensors_without_numbers_have_the_shapes_of_real_ones(case, kind):
    attention = build(case)
    if kind == "meta":
        attention = attention.to("meta")
    device = "meta" if kind == "meta" else "cpu"
    with FakeTensorMode(allow_non_fake_inputs=True) if kind == "fake" else torch.device("meta"):
        features = torch.ones(2, 7, WIDTH, dtype=torch.float64, device=device, requires_grad=True)
        for mask in (None, torch.ones(2, 7, dtype=torch.bool, device=device)):
            for training in (True, False):
                out = attention.train(training)(Tokens(features, mask))
                assert (out.shape, out.dtype) == (features.shape, torch.float64)
                (found,) = torch.autograd.grad(out.sum(), features)
                assert found.shape == features.shape


@every_case
@trained_or_not
@pytest.mark.parametrize("sizes", [(0, 5), (2, 0), (0, 0)], ids=str)
def test_no_samples_and_no_tokens(case, training, sizes):
    attention = build(case).train(training)
    for mask in (None, torch.ones(sizes, dtype=torch.bool)):
        features = torch.ones(*sizes, WIDTH, dtype=torch.float64, requires_grad=True)
        out, selection = attention(Tokens(features, mask), return_selection=True)
        assert out.shape == features.shape
        assert selection.indices.shape[0] == sizes[0]
        out.sum().backward()
        assert all(p.grad is None or not p.grad.any() for p in attention.parameters())


@pytest.mark.parametrize("case", CROSS)
@trained_or_not
def test_a_context_without_tokens_gives_zeros(case, training):
    attention = build(case).train(training)
    out = attention(batch([3, 2]), Tokens(torch.ones(2, 0, WIDTH, dtype=torch.float64)))
    if not attention.sampler.extra:
        assert not out.any()
    assert bool(out.isfinite().all())


@pytest.mark.parametrize("name", ["sft", "simple"])
def test_training_compiles_for_a_second_length(name, fresh_compiler):
    attention = SftAttention(8, 2, sampled=3) if name == "sft" else SamsaAttention(8, 2, sampled=3, choice=name)
    compiled = torch.compile(lambda features: attention(Tokens(features)), backend="aot_eager", fullgraph=True)
    for length in (5, 7):
        features = torch.randn(2, length, 8, requires_grad=True)
        compiled(features).sum().backward()
        assert features.grad.shape == features.shape
