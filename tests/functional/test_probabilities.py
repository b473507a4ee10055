"""Weights of logits against their twins: values, every gradient, masks, extremes, compiled and exported."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sampleformer.functional.probabilities import PROBABILITIES, leaky_relu, leaky_softmax, softmax
from tests.naive.probabilities import TWINS

WEIGHTS = {
    "softmax": lambda logits, leak, valid=None: softmax(logits, valid),
    "leaky_relu": leaky_relu,
    "leaky_softmax": leaky_softmax,
}
SIZES = [(1, 1, 1, 1), (2, 3, 5, 4), (1, 2, 3, 7), (2, 2, 1, 3)]
VALIDITY = ["all-valid", "shared-by-the-heads", "of-each-head", "nothing-valid"]
every_probability = pytest.mark.parametrize("name", PROBABILITIES)
leaky = pytest.mark.parametrize("name", [name for name, probability in PROBABILITIES.items() if probability.leaks])


def problem(
    batch: int, heads: int, n: int, k: int, validity: str = "all-valid", dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor | None]:
    logits = (2 * torch.randn(batch, heads, n, k, dtype=torch.float64)).to(dtype).requires_grad_()
    leak = torch.randn(batch, heads, k, dtype=torch.float64).to(dtype).requires_grad_()
    valid = {
        "all-valid": None,
        "shared-by-the-heads": torch.rand(batch, 1, k) < 0.6,
        "of-each-head": torch.rand(batch, heads, k) < 0.6,
        "nothing-valid": torch.zeros(batch, 1, k, dtype=torch.bool),
    }[validity]
    return logits, leak, valid


def value_and_gradients(weigh, logits: Tensor, leak: Tensor, valid: Tensor | None) -> list[Tensor]:
    out = weigh(logits, leak, valid)
    upstream = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out).sin()
    if not out.requires_grad:  # a twin that found nothing to add up
        return [out, torch.zeros_like(logits), torch.zeros_like(leak)]
    return [out.detach(), *torch.autograd.grad(out, (logits, leak), upstream, materialize_grads=True)]


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float = 1e-10) -> None:
    for name, one, other in zip(("value", "logits", "leak"), found, expected, strict=True):
        torch.testing.assert_close(
            one, other, rtol=tolerance, atol=tolerance, msg=lambda message, name=name: f"{name}: {message}"
        )


@every_probability
@pytest.mark.parametrize("validity", VALIDITY)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_value_and_every_gradient_equal_the_twins(name, size, validity):
    inputs = problem(*size, validity)
    assert_same(value_and_gradients(WEIGHTS[name], *inputs), value_and_gradients(TWINS[name], *inputs))


@every_probability
@pytest.mark.parametrize("validity", VALIDITY)
def test_gradcheck(name, validity):
    logits, leak, valid = problem(2, 2, 3, 4, validity)
    assert bool((logits.abs() > 1e-4).all()), "relu has no derivative at zero"
    assert torch.autograd.gradcheck(lambda *inputs: WEIGHTS[name](*inputs, valid), (logits, leak))


@every_probability
@pytest.mark.parametrize("validity", VALIDITY)
def test_the_quotient_of_the_parts_after_mixing_is_the_weights_times_the_values(name, validity):
    logits, leak, valid = problem(2, 3, 5, 4, validity)
    values = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    probability = PROBABILITIES[name]
    numerators, denominators = probability.split(logits, leak if probability.leaks else None, valid)
    assert numerators.shape == (2, 3, 5, 4)
    assert denominators.shape == (2, 3, 5, 1)
    assert bool((denominators > 0).all())
    results = []
    for mixed in (numerators @ values / denominators, WEIGHTS[name](logits, leak, valid) @ values):
        upstream = torch.linspace(-1, 2, mixed.numel(), dtype=mixed.dtype).view_as(mixed)
        gradients = torch.autograd.grad(mixed, (logits, leak, values), upstream, materialize_grads=True)
        results.append([mixed, *gradients])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def weights_of_present(name: str, logits: Tensor, leak: Tensor, valid: Tensor | None, presence: Tensor) -> Tensor:
    probability = PROBABILITIES[name]
    numerators, denominators = probability.split(logits, leak if probability.leaks else None, valid, presence)
    return numerators / denominators


@every_probability
@pytest.mark.parametrize("absent", ["none", "some"])
@pytest.mark.parametrize("validity", VALIDITY)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_presence_and_its_gradient_equal_the_twins(name, size, validity, absent):
    logits, leak, valid = problem(*size, validity)
    presence = 0.1 + torch.rand(size[0], size[1], size[3], dtype=torch.float64)
    if absent == "some":
        presence = presence * (torch.arange(size[3]) % 3 != 1)  # never the first, so something is there
    presence.requires_grad_()
    results = []
    for out in (weights_of_present(name, logits, leak, valid, presence), TWINS[name](logits, leak, valid, presence)):
        # Without softmax of nothing: what has no valid slot that is present has no weights.
        there = presence > 0 if valid is None else (presence > 0) & valid
        there = there.any(-1)[:, :, None, None]
        out = torch.where(there, out, 0)
        upstream = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out).sin()
        gradients = [torch.zeros_like(leaf) for leaf in (logits, leak, presence)]
        if out.requires_grad:
            gradients = torch.autograd.grad(out, (logits, leak, presence), upstream, materialize_grads=True)
        results.append([out, *(gradient.nan_to_num(0) for gradient in gradients)])
    for label, found, expected in zip(("value", "logits", "leak", "presence"), *results, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=1e-9, atol=1e-9, msg=lambda message, label=label: f"{label}: {message}"
        )


@every_probability
def test_what_is_absent_changes_nothing_however_large(name):
    logits, leak, _ = problem(2, 3, 5, 4)
    presence = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64).expand(2, 3, 4)
    expected = WEIGHTS[name](logits[..., :2], leak[..., :2])
    for large in (0.0, 50.0, 1e4):
        spoilt = torch.cat([logits[..., :2], logits[..., 2:] + large], -1)
        counted = presence.clone().requires_grad_()
        weights = weights_of_present(name, spoilt, leak, None, counted)
        torch.testing.assert_close(weights[..., :2], expected, rtol=1e-12, atol=1e-12)
        assert not weights[..., 2:].any()
        (gradient,) = torch.autograd.grad(weights.square().sum(), counted)
        assert bool(gradient.isfinite().all())


@every_probability
@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 1e300], ids=str)
def test_garbage_in_invalid_slots_changes_nothing(name, garbage):
    logits, leak, valid = problem(2, 3, 5, 4, "of-each-head")
    spoilt = (
        logits.detach().masked_fill(~valid[:, :, None], garbage).requires_grad_(),
        leak.detach().masked_fill(~valid, garbage).requires_grad_(),
    )
    expected, found = (value_and_gradients(WEIGHTS[name], *given, valid) for given in ((logits, leak), spoilt))
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


@every_probability
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_no_valid_slot_gives_zeros_and_zero_gradients(name, dtype):
    for out in value_and_gradients(WEIGHTS[name], *problem(2, 2, 3, 4, "nothing-valid", dtype)):
        assert not out.any()


@every_probability
def test_no_slots_and_no_queries(name):
    for size in ((2, 3, 4, 0), (2, 3, 0, 4), (0, 3, 2, 4)):
        logits, leak, valid = problem(*size, "of-each-head")
        assert WEIGHTS[name](logits, leak, valid).shape == size
        numerators, denominators = PROBABILITIES[name].split(logits, leak, valid)
        mixed = numerators @ torch.randn(*leak.shape, 2, dtype=torch.float64) / denominators
        assert bool(mixed.isfinite().all())


@every_probability
@pytest.mark.parametrize("logit", [1e4, -1e4, 0.0], ids="logits{:g}".format)
@pytest.mark.parametrize("leak", [1e4, -1e4, 0.0], ids="leak{:g}".format)
@pytest.mark.parametrize("spread", [0.0, 1.0, 1e4], ids="spread{:g}".format)
def test_extreme_numbers_stay_finite(name, logit, leak, spread):
    logits = (logit + spread * torch.tensor([[[[0.0, 1.0, -0.5]]]])).requires_grad_()
    leaks = (leak + spread * torch.tensor([[[0.0, 0.3, 1.0]]])).requires_grad_()
    values = torch.randn(1, 1, 3, 2, requires_grad=True)
    probability = PROBABILITIES[name]
    numerators, denominators = probability.split(logits, leaks, None)
    gradients = torch.autograd.grad(
        (numerators @ values / denominators).sum(), (logits, leaks, values), materialize_grads=True
    )
    found = value_and_gradients(WEIGHTS[name], logits, leaks, None)
    assert all(bool(tensor.isfinite().all()) for tensor in (*gradients, *found))
    assert bool((found[0] >= 0).all())
    assert found[0].sum() < 1 + 1e-6


def test_extreme_numbers_have_their_limits():
    logits = torch.tensor([[[[1e4, 1e4 - 1.0, -1e4]]]], dtype=torch.float64)
    expected = torch.tensor([1.0, -1.0, -torch.inf], dtype=torch.float64)
    expected[:2] = torch.tensor([0.0, -1.0], dtype=torch.float64).softmax(0)
    expected[2] = 0
    torch.testing.assert_close(leaky_softmax(logits, torch.full((1, 1, 3), -1e4)).flatten(), expected)
    torch.testing.assert_close(softmax(-logits).flatten(), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    # The leak takes all, and the shared maximum is the leak's.
    assert not leaky_softmax(-logits, torch.full((1, 1, 3), 2e4)).any()
    half = leaky_softmax(logits[..., :1], torch.full((1, 1, 1), 1e4, dtype=torch.float64))
    torch.testing.assert_close(half.flatten(), torch.tensor([0.5], dtype=torch.float64))
    # No leak at all, and logits whose exponentials are zero without a shift.
    none = leaky_softmax(logits - 2e4, torch.full((1, 1, 3), -torch.inf, dtype=torch.float64))
    torch.testing.assert_close(none.flatten(), expected)


def test_leaky_relu_of_negative_logits_without_any_leak_is_zero_with_zero_gradients():
    logits = torch.tensor([[[[-1.0, -2.0], [0.0, -1.0]]]], requires_grad=True)
    values = torch.randn(1, 1, 2, 3, requires_grad=True)
    for leak in (-1e4, -103.0, -95.0):  # softplus is zero, the least number there is, and one whose inverse is infinite
        leaks = torch.full((1, 1, 2), leak, requires_grad=True)
        numerators, denominators = PROBABILITIES["leaky_relu"].split(logits, leaks, None)
        mixed = numerators @ values / denominators
        gradients = torch.autograd.grad(mixed.sum(), (logits, leaks, values))
        assert not any(bool(tensor.any()) for tensor in (mixed, *gradients))
        assert not leaky_relu(logits, leaks).any()


@leaky
@given(seed=st.integers(0, 2**31), leak=st.floats(-20, 20))
def test_leaky_weights_sum_to_less_than_one_and_less_so_the_more_leaks(name, seed, leak):
    logits = 2 * torch.randn(1, 2, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    leaks = torch.full((1, 2, 5), leak, dtype=torch.float64)
    weights, more = WEIGHTS[name](logits, leaks), WEIGHTS[name](logits, leaks + 1)
    assert bool((weights >= 0).all())
    assert bool((weights.sum(-1) < 1).all())
    assert bool((more.sum(-1) <= weights.sum(-1)).all())


@leaky
@given(seed=st.integers(0, 2**31))
def test_without_a_leak_they_are_softmax_and_normalised_relu(name, seed):
    logits = torch.randn(1, 2, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = WEIGHTS[name](logits, torch.full((1, 2, 5), -60.0, dtype=torch.float64))
    positive = logits.relu()
    expected = {"leaky_softmax": logits.softmax(-1), "leaky_relu": positive / positive.sum(-1, keepdim=True)}[name]
    # A row without a positive logit has nothing to normalise, and attends to nothing.
    torch.testing.assert_close(found, expected.nan_to_num(0), rtol=1e-10, atol=1e-10)
    if name == "leaky_softmax":
        none = WEIGHTS[name](logits, torch.full((1, 2, 5), -torch.inf, dtype=torch.float64))
        torch.testing.assert_close(none, expected, rtol=1e-12, atol=1e-12)


@every_probability
@given(order=st.permutations(range(5)), seed=st.integers(0, 2**31))
def test_permuting_the_slots_permutes_the_weights(name, order, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 2, 3, 5, generator=generator, dtype=torch.float64)
    leak = torch.randn(2, 2, 5, generator=generator, dtype=torch.float64)
    valid = torch.rand(2, 1, 5, generator=generator) < 0.7
    moved = WEIGHTS[name](logits[..., order], leak[..., order], valid[..., order])
    torch.testing.assert_close(moved, WEIGHTS[name](logits, leak, valid)[..., order], rtol=1e-12, atol=1e-12)


@every_probability
@given(invalid=st.integers(0, 4), seed=st.integers(0, 2**31))
def test_invalid_slots_are_as_if_they_were_not_there(name, invalid, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 2, 3, 4 + invalid, generator=generator, dtype=torch.float64)
    leak = torch.randn(1, 2, 4 + invalid, generator=generator, dtype=torch.float64)
    weights = WEIGHTS[name](logits, leak, (torch.arange(4 + invalid) < 4).expand(1, 1, -1))
    assert not weights[..., 4:].any()
    expected = WEIGHTS[name](logits[..., :4], leak[..., :4])
    torch.testing.assert_close(weights[..., :4], expected, rtol=1e-12, atol=1e-12)


@every_probability
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(name, dtype):
    logits, leak, valid = problem(2, 2, 3, 5, "of-each-head", dtype)
    expected = WEIGHTS[name](logits.float(), leak.float(), valid).to(dtype)
    found = WEIGHTS[name](logits, leak, valid)
    assert found.dtype == dtype
    assert torch.equal(found, expected)
    assert all(part.dtype == torch.float32 for part in PROBABILITIES[name].split(logits, leak, valid))
    # Scores in float32 with a leak of half precision, as they come under autocast.
    assert WEIGHTS[name](logits.float(), leak, valid).dtype == torch.float32


@leaky
def test_a_missing_leak_is_refused(name):
    with pytest.raises(ValueError, match="leak is None, expected one logit for each slot"):
        PROBABILITIES[name].split(torch.zeros(1, 1, 2, 3), None, None)


@every_probability
def test_compiled_equals_eager(name, fresh_compiler):
    compiled = torch.compile(WEIGHTS[name], fullgraph=True, backend="aot_eager", dynamic=True)
    for size in ((2, 3, 7, 5), (3, 3, 2, 6)):
        inputs = problem(*size, "of-each-head")
        assert_same(value_and_gradients(compiled, *inputs), value_and_gradients(WEIGHTS[name], *inputs), 1e-12)


class Mixed(nn.Module):
    """Values mixed by the parts that the registry gives."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, logits: Tensor, leak: Tensor, valid: Tensor, values: Tensor) -> Tensor:
        probability = PROBABILITIES[self.name]
        numerators, denominators = probability.split(logits, leak if probability.leaks else None, valid)
        return numerators @ values / denominators


@every_probability
def test_exported_with_any_batch_and_length_equals_eager(name):
    def inputs(*size: int) -> tuple[Tensor, ...]:
        logits, leak, valid = problem(*size, "of-each-head")
        return logits, leak, valid, torch.randn(*leak.shape, 2, dtype=torch.float64)

    batch, any_size = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    slots = {0: batch, 2: any_size}
    shapes = ({0: batch, 2: any_size, 3: any_size}, slots, slots, slots)
    made = Mixed(name)
    program = torch.export.export(made, inputs(2, 3, 7, 5), dynamic_shapes=shapes, strict=False).module()
    for size in ((3, 3, 2, 6), (1, 3, 1, 1), (2, 3, 63, 9)):
        given_inputs = inputs(*size)
        torch.testing.assert_close(program(*given_inputs), made(*given_inputs), rtol=1e-12, atol=1e-12)
