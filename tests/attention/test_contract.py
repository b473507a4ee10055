"""What every registered attention promises, tested for each of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import Attention, Noise, Selection
from sampleformer.functional import blocks
from sampleformer.tokens import Tokens
from tests.attention.variations import CASES, CROSS, HEADS, WIDTH, batch, build, with_padding
from tests.naive.twins import TESTED, TWINS

EXACT = {"rtol": 1e-10, "atol": 1e-10}
every_case = pytest.mark.parametrize("case", CASES)
every_cross_case = pytest.mark.parametrize("case", CROSS)
LENGTHS = [
    pytest.param([13, 7, 5], id="n13-7-5"),
    pytest.param([4, 1, 2], id="small-sets"),
    pytest.param([1], id="one-token"),
    pytest.param([7, 0, 3], id="an-empty-set"),
]


def gradients(attention: Attention, tokens: Tokens, context: Tokens | None, noise: Noise | None) -> dict[str, Tensor]:
    """The value and the gradient of everything that has one, for the same upstream gradient on each call."""
    features = tokens.features.clone().requires_grad_()
    out = attention(tokens.with_features(features), context, noise=noise)
    return _with_gradients(attention, out, features)


def _with_gradients(attention: Attention, out: Tensor, features: Tensor) -> dict[str, Tensor]:
    trained = {name: p for name, p in attention.named_parameters() if p.requires_grad}
    upstream = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7)).to(out.dtype)
    found = torch.autograd.grad(out, [features, *trained.values()], upstream, materialize_grads=True)
    return {"value": out.detach(), **dict(zip(["features", *trained], found, strict=True))}


def assert_all_close(found: dict[str, Tensor], expected: dict[str, Tensor], **tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


@every_case
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_value_and_every_gradient_equal_the_twin(case, lengths, training):
    attention = build(case).train(training)
    tokens = batch(lengths, padding=1)
    noise = attention.draw_noise(tokens) if training else None
    features = tokens.features.clone().requires_grad_()
    twin = TWINS[CASES[case][0]](attention, features, tokens.mask, noise=noise)
    found = gradients(attention, tokens, None, noise)
    if training:
        assert_all_close(found, _with_gradients(attention, twin, features), **EXACT)
    else:  # evaluation promises values alone
        torch.testing.assert_close(found["value"], twin.detach(), **EXACT)


@every_cross_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_cross_attention_equals_the_twin(case, training):
    attention = build(case).train(training)
    tokens, context = batch([5, 3, 4]), batch([13, 2, 0], padding=2)
    noise = attention.draw_noise(tokens, context) if training else None
    features = tokens.features.clone().requires_grad_()
    twin = TWINS[CASES[case][0]](attention, features, tokens.mask, context.features, context.mask, noise)
    found = gradients(attention, tokens, context, noise)
    if training:
        assert_all_close(found, _with_gradients(attention, twin, features), **EXACT)
    else:
        torch.testing.assert_close(found["value"], twin.detach(), **EXACT)


@every_case
@pytest.mark.parametrize("content", [1e200, float("inf"), float("nan")], ids=str)
def test_content_of_padding_changes_nothing(case, content):
    attention = build(case).train()
    tokens = batch([7, 3, 0], padding=2)
    for context in (None,) if attention.self_only else (None, batch([5, 6, 2], padding=1)):
        noise = attention.draw_noise(tokens, context)
        expected = gradients(attention, tokens, context, noise)
        padded = None if context is None else with_padding(context, content)
        found = gradients(attention, with_padding(tokens, content), padded, noise)
        assert all(bool(value.isfinite().all()) for value in found.values())
        assert_all_close(found, expected, rtol=0, atol=0)


@every_case
def test_a_padded_batch_is_each_sample_alone(case):
    attention, lengths = build(case).eval(), [13, 1, 7, 4]
    tokens = with_padding(batch(lengths, padding=3), 9.0)
    out = attention(tokens)
    for row, length in enumerate(lengths):
        alone = attention(Tokens(tokens.features[row : row + 1, :length]))
        torch.testing.assert_close(out[row, :length], alone[0], **EXACT)
        assert torch.equal(out[row, length:], torch.zeros_like(out[row, length:]))


@every_case
def test_long_inputs_in_blocks_equal_one_call(case, monkeypatch):
    monkeypatch.setattr(blocks, "NUMBERS_PER_BLOCK", 5 * WIDTH)
    attention, tokens = build(case).eval(), batch([63, 5])
    expected = attention(tokens).detach()
    with torch.no_grad():
        torch.testing.assert_close(attention(tokens), expected, **EXACT)


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_a_fully_masked_row_gives_zeros_and_finite_gradients(case, training):
    attention = build(case).train(training)
    tokens = Tokens(torch.randn(2, 7, WIDTH, dtype=torch.float64), torch.zeros(2, 7, dtype=torch.bool))
    found = gradients(attention, tokens, None, attention.draw_noise(tokens))
    for name, value in found.items():
        assert torch.equal(value, torch.zeros_like(value)), name


@every_cross_case
def test_an_empty_context_gives_finite_values_and_gradients(case):
    attention = build(case).train()
    tokens, context = batch([5, 4]), batch([3, 0], padding=1)
    found = gradients(attention, tokens, context, attention.draw_noise(tokens, context))
    assert all(bool(value.isfinite().all()) for value in found.values())


@every_case
@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_sets_of_any_size_work_without_a_mask(case, length, training):
    attention = build(case).train(training)
    features = torch.randn(3, length, WIDTH, dtype=torch.float64)
    noise = attention.draw_noise(Tokens(features))
    everything = torch.ones(3, length, dtype=torch.bool)
    out = attention(Tokens(features), noise=noise)
    assert out.shape == features.shape
    torch.testing.assert_close(out, attention(Tokens(features, everything), noise=noise), **EXACT)


@every_case
def test_evaluation_is_deterministic_and_ignores_noise(case):
    attention, tokens = build(case, torch.float32).eval(), batch([63, 7], dtype=torch.float32)
    noise = attention.draw_noise(tokens)
    first = attention(tokens)
    assert torch.equal(first, attention(tokens))
    assert torch.equal(first, attention(tokens, noise=noise))


@every_case
def test_training_noise_comes_from_the_generator_given(case):
    attention, tokens = build(case).train(), batch([13, 7])
    seeded = [attention.draw_noise(tokens, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    before = torch.get_rng_state()
    first, again, other = (gradients(attention, tokens, None, noise) for noise in seeded)
    assert_all_close(again, first, rtol=0, atol=0)
    if seeded[0] is None:
        assert_all_close(other, first, rtol=0, atol=0)
    else:
        drawn = [torch.cat([part.flatten() for part in noise if part is not None]) for noise in seeded]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])
        assert torch.equal(before, torch.get_rng_state()), "something was drawn beside the noise given"


@every_case
def test_training_without_noise_given_is_reproducible_by_seed(case):
    attention, tokens = build(case).train(), batch([13, 7])
    results = []
    for _ in range(2):
        torch.manual_seed(11)
        results.append(attention(tokens))
    assert torch.equal(*results)


@every_case
def test_the_tokens_as_their_own_context_are_self_attention(case):
    attention, tokens = build(case).train(), batch([13, 7], padding=1)
    noise = attention.draw_noise(tokens, tokens)
    assert torch.equal(attention(tokens, tokens, noise=noise), attention(tokens, noise=noise))


@every_case
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 6e-2)], ids=["float32", "bfloat16"]
)
def test_lower_precision_is_close_where_the_choice_is_the_same(case, dtype, tolerance):
    low = build(case, dtype).eval()
    high = build(case).eval()
    high.load_state_dict(low.state_dict())
    tokens = batch([7] * 32, dtype=dtype)
    found, selection = low(tokens, return_selection=True)
    expected, exact = high(tokens.with_features(tokens.features.double()), return_selection=True)
    assert found.dtype == dtype
    assert_close_where_the_choice_is_the_same(found, selection, expected, exact, tolerance)


def assert_close_where_the_choice_is_the_same(
    found: Tensor, selection: Selection, expected: Tensor, exact: Selection, tolerance: float
) -> None:
    same = (selection.indices.sort().values == exact.indices.sort().values).flatten(1).all(1)
    assert same.sum() >= 8
    close = torch.isclose(found[same].double(), expected[same].double(), rtol=tolerance, atol=tolerance)
    # Most tokens, not all: what else a method compares (the next best, the sides of a hash's planes) may change too.
    assert close.all(-1).double().mean() >= 0.8


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_lower_precision_trains_with_finite_gradients_of_its_own_dtype(case, training, masked):
    attention = build(case, torch.bfloat16).train(training)
    tokens = batch([13, 7], dtype=torch.bfloat16)
    if not masked:
        tokens = Tokens(tokens.features)
    found = gradients(attention, tokens, None, None)
    for name, value in found.items():
        assert value.dtype == torch.bfloat16, name
        assert bool(value.isfinite().all()), name


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_autocast_runs_and_keeps_master_weights(case, training):
    attention = build(case, torch.float32).train(training)
    tokens = batch([13, 7], dtype=torch.float32)
    noise = attention.draw_noise(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = attention(tokens, noise=noise)
    assert out.dtype == torch.bfloat16
    found = _with_gradients(attention, attention(tokens, noise=noise), tokens.features.requires_grad_())
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert bool(out.isfinite().all())


@every_case
def test_autocast_is_close_where_the_choice_is_the_same(case):
    attention, tokens = build(case, torch.float32).eval(), batch([7] * 32, dtype=torch.float32)
    expected, exact = attention(tokens, return_selection=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, selection = attention(tokens, return_selection=True)
    assert_close_where_the_choice_is_the_same(found, selection, expected, exact, 6e-2)


# In evaluation it is traced for export, below.
@every_case
def test_compiled_in_one_graph_trains_as_eager(case, fresh_compiler):
    attention = build(case).train()
    tokens = batch([6, 4], padding=1)  # few, since some graphs grow with them; still more than are sampled
    noise = attention.draw_noise(tokens)
    compiled = torch.compile(attention, fullgraph=True, backend="aot_eager")
    expected = gradients(attention, tokens, None, noise)
    found = _with_gradients_of_compiled(compiled, attention, tokens, noise)
    assert_all_close(found, expected, rtol=1e-12, atol=1e-12)


def _with_gradients_of_compiled(
    compiled: Callable, attention: Attention, tokens: Tokens, noise: Noise | None
) -> dict[str, Tensor]:
    features = tokens.features.clone().requires_grad_()
    return _with_gradients(attention, compiled(tokens.with_features(features), noise=noise), features)


class WithTensors(nn.Module):
    """An exported program takes tensors: the features and the mask."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        return self.attention(Tokens(features, mask))


@every_case
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_exported_with_any_batch_and_length_equals_eager(case, masked):
    attention = build(case).eval()
    tokens = batch([13, 7, 9], padding=1)
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        WithTensors(attention),
        (tokens.features, tokens.mask if masked else None),
        dynamic_shapes=(any_size, any_size if masked else None),
        strict=False,
    ).module()
    for lengths in ([13, 7, 9], [1], [2, 1], [4, 3, 5, 1, 2], [63, 60], [7]):
        tokens = batch(lengths)
        mask = tokens.mask if masked else None
        torch.testing.assert_close(
            program(tokens.features, mask), attention(Tokens(tokens.features, mask)), rtol=1e-12, atol=1e-12
        )


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_selection_names_real_tokens_once_each(case, training):
    attention, lengths = build(case).train(training), [13, 2, 7, 0]
    tokens = batch(lengths, padding=1)
    noise = attention.draw_noise(tokens)
    out, selection = attention(tokens, noise=noise, return_selection=True)
    assert torch.equal(out, attention(tokens, noise=noise))
    assert selection.indices.shape == selection.valid.shape
    assert selection.indices.shape[:2] == (len(lengths), HEADS)
    for row, length in enumerate(lengths):
        for head in range(HEADS):
            chosen = selection.indices[row, head][selection.valid[row, head]].tolist()
            assert len(set(chosen)) == len(chosen)
            assert all(index < length or index >= tokens.length for index in chosen)
            assert bool(chosen) or length == 0


@every_cross_case
def test_selection_of_cross_attention_points_into_the_context(case):
    attention, tokens, context = build(case).eval(), batch([5, 4]), batch([13, 1])
    _, selection = attention(tokens, context, return_selection=True)
    real = selection.indices[1][selection.valid[1]]
    assert bool(((real == 0) | (real >= context.length)).all())


@every_case
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_memory_for_the_gradients_grows_linearly(case, masked):
    attention = build(case, torch.float32).train()
    attention.sampler.sampled = min(attention.sampler.sampled, 64)

    def saved_elements(length: int) -> int:
        counts: list[int] = []
        tokens = batch([length, length], dtype=torch.float32)
        tokens = tokens if masked else Tokens(tokens.features)
        noise = attention.draw_noise(tokens)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: counts.append(t.numel()) or t, lambda t: t):
            attention(tokens, noise=noise)
        return sum(counts)

    small, large = saved_elements(1024), saved_elements(2048)
    assert large <= 2.05 * small


@every_case
def test_gradients_reach_every_parameter(case):
    attention = build(case).train()
    # Room for a rest: a head that takes every token learns nothing about their order.
    attention.sampler.sampled = min(attention.sampler.sampled, 16)
    length = 4 * attention.sampler.sampled + 1
    tokens = batch([length] * 16)
    tokens.features.requires_grad_()
    out, selection = attention(tokens, return_selection=True)
    # The log-probability of a choice is a way for gradients, too.
    if selection.scores is not None and selection.scores.log_probability is not None:
        out = out + selection.scores.log_probability[:, None, None]
    found = _with_gradients(attention, out, tokens.features)
    assert [name for name, value in found.items() if not value.any()] == []


@every_case
def test_samples_of_a_batch_do_not_meet_in_training(case):
    attention = build(case).train()
    tokens = batch([13, 7])
    noise = attention.draw_noise(tokens)
    features = tokens.features.clone().requires_grad_()
    attention(tokens.with_features(features), noise=noise)[0].square().sum().backward()
    assert bool(features.grad[0].abs().sum() > 0)
    assert torch.equal(features.grad[1], torch.zeros_like(features.grad[1]))


@every_case
def test_weights_saved_and_loaded_give_the_same_numbers(case):
    attention, other, tokens = build(case).eval(), build(case).eval(), batch([13, 7])
    assert not torch.equal(attention(tokens), other(tokens))
    other.load_state_dict(attention.state_dict())
    assert torch.equal(attention(tokens), other(tokens))


@pytest.mark.parametrize("name", TESTED)
def test_repr_tells_the_class_and_its_size(name):
    assert repr(TESTED[name](12, 3)).startswith(f"{TESTED[name].__name__}(")
    assert "width=12, heads=3" in repr(TESTED[name](12, 3))


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize(
    ("width", "heads", "message"),
    [
        pytest.param(10, 3, "heads is 3, expected a divisor of width = 10", id="heads-do-not-divide"),
        pytest.param(4, 8, "heads is 8, expected a divisor of width = 4", id="more-heads-than-width"),
        pytest.param(0, 1, "width is 0, expected at least 1", id="no-width"),
        pytest.param(8, 0, "heads is 0, expected at least 1", id="no-heads"),
        pytest.param(8, -2, "heads is -2, expected at least 1", id="negative-heads"),
    ],
)
def test_impossible_sizes_are_refused(name, width, heads, message):
    with pytest.raises(ValueError, match=message):
        TESTED[name](width, heads)
