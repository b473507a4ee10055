"""Gumbel top-k and the choices against their twins: values, every gradient, ties, masks and statistics."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.functional.sampling import choose_hard, choose_soft, gumbel_noise, gumbel_topk, ordered_topk
from tests.naive import sampling as naive

DIFFERENTIABLE = ("top", "rest", "top_scores", "rest_scores", "temperature")
CHOICES = {"soft": (choose_soft, naive.choose_soft), "hard": (choose_hard, naive.choose_hard)}
SIZES = [
    pytest.param(1, 1, 1, id="k1-r1"),
    pytest.param(3, 3, 5, id="k3-r3"),
    pytest.param(5, 2, 3, id="k5-r2-some-rest-missing"),
    pytest.param(4, 0, 3, id="k4-r0-no-rest"),
]
VALIDITY = ["all-valid", "rest-partly-invalid", "both-partly-invalid", "nothing-valid"]
TEMPERATURES = [0.1, 1.0, 2.5]


def problem(k: int, r: int, width: int, temperature: float, validity: str, rows: int = 3) -> dict[str, Tensor | None]:
    """A choice to make in each of some rows, in float64; scores close enough for the sigmoids not to saturate."""
    given_values: dict[str, Tensor | None] = {
        "top": torch.randn(rows, k, width, dtype=torch.float64),
        "rest": torch.randn(rows, r, width, dtype=torch.float64),
        "top_scores": 0.5 * temperature * torch.randn(rows, k, dtype=torch.float64) + temperature,
        "rest_scores": 0.5 * temperature * torch.randn(rows, r, dtype=torch.float64),
        "temperature": torch.linspace(0.8, 1.2, rows, dtype=torch.float64) * temperature,
        "top_valid": None,
        "rest_valid": None,
    }
    if validity != "all-valid":
        given_values["rest_valid"] = torch.arange(r).expand(rows, r) < torch.arange(rows)[:, None]
    if validity == "both-partly-invalid":
        given_values["top_valid"] = torch.arange(k).expand(rows, k) <= torch.arange(rows)[:, None]
    if validity == "nothing-valid":
        given_values["top_valid"] = torch.zeros(rows, k, dtype=torch.bool)
        given_values["rest_valid"] = torch.zeros(rows, r, dtype=torch.bool)
    return given_values


def value_and_gradients(choose, values: dict[str, Tensor | None], upstream: Tensor) -> dict[str, Tensor]:
    leaves = {name: values[name].clone().requires_grad_() for name in DIFFERENTIABLE}
    out = choose(**{**values, **leaves})
    gradients = torch.autograd.grad(out, list(leaves.values()), upstream, allow_unused=True)
    found = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }
    return {"value": out.detach(), **found}


@pytest.mark.parametrize("validity", VALIDITY)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("k", "r", "width"), SIZES)
@pytest.mark.parametrize("choice", CHOICES)
def test_value_and_every_gradient_equal_the_twins(choice, k, r, width, temperature, validity):
    values = problem(k, r, width, temperature, validity)
    upstream = torch.randn_like(values["top"])
    fast, twin = (value_and_gradients(choose, values, upstream) for choose in CHOICES[choice])
    for name, expected in twin.items():
        torch.testing.assert_close(
            fast[name], expected, rtol=1e-10, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("validity", VALIDITY)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_hard_gradients_equal_the_published_sums(temperature, validity):
    values = problem(k=4, r=4, width=3, temperature=temperature, validity=validity)
    upstream = torch.randn_like(values["top"])
    found = value_and_gradients(choose_hard, values, upstream)
    for row in range(len(upstream)):
        one = {name: None if value is None else value[row] for name, value in values.items()}
        expected = naive.hard_gradients(upstream[row], **{**one, "temperature": float(one["temperature"])})
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name][row], gradient, rtol=1e-10, atol=1e-10)


def test_hard_gradient_of_scores_is_capped_below_temperature_one_and_uncapped_for_temperature():
    def gradients(temperature: float) -> dict[str, Tensor]:
        values = problem(k=1, r=1, width=1, temperature=1.0, validity="all-valid", rows=1)
        values["top"], values["rest"] = torch.ones(1, 1, 1).double(), torch.zeros(1, 1, 1).double()
        values["top_scores"] = torch.full((1, 1), temperature, dtype=torch.float64)
        values["rest_scores"] = torch.zeros(1, 1, dtype=torch.float64)
        values["temperature"] = torch.tensor([temperature], dtype=torch.float64)
        return value_and_gradients(choose_hard, values, torch.ones(1, 1, 1).double())

    slope = torch.sigmoid(torch.tensor(1.0)).double() * torch.sigmoid(torch.tensor(-1.0)).double()
    for temperature, divisor in ((0.01, 1.0), (1.0, 1.0), (4.0, 4.0)):
        found = gradients(temperature)
        torch.testing.assert_close(found["top_scores"].squeeze(), slope / divisor, rtol=1e-6, atol=0)
        torch.testing.assert_close(found["rest_scores"].squeeze(), -slope / divisor, rtol=1e-6, atol=0)
        torch.testing.assert_close(found["temperature"].squeeze(), -slope / temperature, rtol=1e-6, atol=0)


@pytest.mark.parametrize("validity", ["all-valid", "both-partly-invalid"])
@pytest.mark.parametrize(("k", "r", "width"), SIZES)
def test_soft_choice_passes_gradcheck(k, r, width, validity):
    values = problem(k, r, width, 1.0, validity)
    leaves = [values[name].requires_grad_() for name in DIFFERENTIABLE]
    assert torch.autograd.gradcheck(
        lambda *inputs: choose_soft(*inputs, values["top_valid"], values["rest_valid"]), leaves
    )


@pytest.mark.parametrize("n", [1, 4, 7, 13])
@pytest.mark.parametrize("k", [3, 5])
def test_soft_choice_of_a_gumbel_sample_passes_gradcheck_with_fixed_noise(n, k):
    tokens = torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True)
    scores = torch.randn(2, n, dtype=torch.float64, requires_grad=True)
    noise = gumbel_noise(2, n, dtype=torch.float64)
    mask = torch.rand(2, n) < 0.8

    def sample(tokens: Tensor, scores: Tensor, temperature: Tensor) -> Tensor:
        indices, valid = gumbel_topk(scores, 2 * k, noise=noise, mask=mask)
        chosen = tokens.take_along_dim(indices[..., None], 1)
        ranked = (scores + noise).gather(-1, indices)
        pairs = (chosen[:, :k], chosen[:, k:], ranked[:, :k], ranked[:, k:])
        return choose_soft(*pairs, temperature, valid[:, :k], valid[:, k:])

    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sample, (tokens, scores, temperature))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_hard_forward_is_the_gathered_tokens_exactly(dtype):
    tokens, scores = torch.randn(2, 3, 13, 5).to(dtype), torch.randn(2, 3, 13)
    indices, _ = gumbel_topk(scores, 10, noise=gumbel_noise(2, 3, 13))
    chosen = tokens.take_along_dim(indices[..., None], -2)
    ranked = scores.gather(-1, indices)
    out = choose_hard(chosen[..., :5, :], chosen[..., 5:, :], ranked[..., :5], ranked[..., 5:], torch.tensor(0.3))
    assert out.dtype == dtype
    assert torch.equal(out, tokens.take_along_dim(indices[..., :5, None], -2))


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 1e300], ids=str)
@pytest.mark.parametrize("choice", CHOICES)
def test_garbage_in_invalid_slots_changes_nothing(choice, garbage):
    choose, _ = CHOICES[choice]
    clean = problem(k=4, r=3, width=3, temperature=1.0, validity="both-partly-invalid")
    spoilt = dict(clean)
    for slots, valid in (("top", "top_valid"), ("rest", "rest_valid")):
        spoilt[slots] = clean[slots].masked_fill(~clean[valid][..., None], garbage)
        spoilt[f"{slots}_scores"] = clean[f"{slots}_scores"].masked_fill(~clean[valid], garbage)
    upstream = torch.randn_like(clean["top"]).masked_fill(~clean["top_valid"][..., None], 0)
    expected, found = (value_and_gradients(choose, values, upstream) for values in (clean, spoilt))
    valid = clean["top_valid"]
    assert torch.equal(found["value"][valid], expected["value"][valid])
    for name in DIFFERENTIABLE:
        assert torch.equal(found[name], expected[name]), name


def test_an_invalid_rest_leaves_top_unmixed():
    values = problem(k=3, r=3, width=2, temperature=1.0, validity="all-valid")
    values["rest_valid"] = torch.zeros(3, 3, dtype=torch.bool)
    assert torch.equal(choose_soft(**values), values["top"])


@pytest.mark.parametrize(
    "temperature",
    [torch.tensor(0.7), torch.tensor([0.7, 1.4, 2.1]), torch.tensor([[0.7], [1.4]])],
    ids=lambda t: str(tuple(t.shape)),
)
@pytest.mark.parametrize("choice", CHOICES)
def test_temperature_broadcasts_against_the_rows(choice, temperature):
    choose, _ = CHOICES[choice]
    tokens, scores = torch.randn(2, 3, 8, 5).double(), torch.randn(2, 3, 8).double()
    halves = (tokens[..., :4, :], tokens[..., 4:, :], scores[..., :4], scores[..., 4:])
    results = []
    for given_temperature in (temperature.double(), temperature.double().expand(2, 3).contiguous()):
        leaf = given_temperature.requires_grad_()
        out = choose(*halves, leaf)
        (gradient,) = torch.autograd.grad(out.square().sum(), leaf)
        results.append((out, gradient.sum_to_size(temperature.shape)))
    for narrow, wide in zip(*results, strict=True):
        torch.testing.assert_close(narrow, wide, rtol=1e-12, atol=1e-12)


def test_hard_choice_saves_no_pairs_times_width():
    saved = []
    values = problem(k=32, r=32, width=16, temperature=1.0, validity="all-valid", rows=2)
    leaves = [values[name].requires_grad_() for name in DIFFERENTIABLE]
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor.numel()) or tensor, lambda x: x):
        choose_hard(*leaves)
    assert sum(saved) <= sum(leaf.numel() for leaf in leaves)


# Gumbel top-k


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        pytest.param([1.0, 1.0, 1.0, 1.0, 1.0], 3, [0, 1, 2], id="all-equal"),
        pytest.param([0.0, 2.0, 1.0, 2.0, 1.0, 1.0], 4, [1, 3, 2, 4], id="tie-across-the-cut"),
        pytest.param([5.0, 1.0, 5.0, 1.0, 5.0], 5, [0, 2, 4, 1, 3], id="ties-inside"),
        pytest.param([0.0, -0.0, 0.0, -0.0], 2, [0, 1], id="signed-zeros"),
        pytest.param([3.0], 1, [0], id="one-token"),
        pytest.param([3.0, 4.0], 5, [1, 0], id="k-larger-than-n"),
    ],
)
def test_ties_go_to_the_lower_index(scores, k, expected, dtype):
    indices, valid = gumbel_topk(torch.tensor(scores, dtype=dtype), k)
    assert indices.tolist() == expected
    assert valid is None or bool(valid.all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 3), (13, 5), (63, 32), (1025, 300), (5, 9)])
def test_ties_in_long_rows_equal_the_twin(n, k, dtype):
    scores = torch.randint(0, max(2, n // 8), (4, n)).to(dtype)
    mask = torch.rand(4, n) < 0.8
    indices, valid = gumbel_topk(scores, k, mask=mask)
    for row in range(4):
        expected, real = naive.gumbel_topk(scores[row].tolist(), k, mask=mask[row].tolist())
        assert valid[row].tolist() == real
        assert indices[row][valid[row]].tolist() == [i for i, is_real in zip(expected, real, strict=True) if is_real]


rows_with_ties = st.integers(1, 13).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 1e30, -1e30]), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.integers(1, 16),
    )
)


@given(rows_with_ties)
def test_any_row_and_mask_equal_the_twin(row):
    scores, mask, k = row
    indices, valid = gumbel_topk(torch.tensor([scores], dtype=torch.float64), k, mask=torch.tensor([mask]))
    expected, real = naive.gumbel_topk(scores, k, mask=mask)
    assert indices.shape == valid.shape == (1, min(k, len(scores)))
    assert valid[0].tolist() == real
    assert indices[0][valid[0]].tolist() == [i for i, is_real in zip(expected, real, strict=True) if is_real]
    assert sorted(set(indices[0].tolist())) == sorted(indices[0].tolist()), "a token was chosen twice"


@given(st.permutations(range(9)), st.integers(1, 11), st.integers(0, 2**31))
def test_permuting_the_tokens_permutes_the_choice(order, k, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(9, generator=generator, dtype=torch.float64)
    noise = gumbel_noise(9, generator=generator, dtype=torch.float64)
    mask = torch.rand(9, generator=generator) < 0.7
    order = torch.tensor(order)
    indices, valid = gumbel_topk(scores, k, noise=noise, mask=mask)
    moved, moved_valid = gumbel_topk(scores[order], k, noise=noise[order], mask=mask[order])
    assert torch.equal(valid, moved_valid)
    assert torch.equal(indices[valid], order[moved][moved_valid])


@given(st.integers(1, 9), st.integers(0, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_padding_changes_neither_choice_nor_gradient(n, padding, k, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, generator=generator, dtype=torch.float64)
    padded = torch.cat([scores, torch.full((padding,), torch.nan, dtype=torch.float64)])
    indices, valid = gumbel_topk(padded, k, mask=torch.arange(n + padding) < n)
    expected, _ = gumbel_topk(scores, k)
    assert torch.equal(indices[valid], expected)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e38], ids=str)
def test_masked_scores_are_never_chosen_before_real_ones(garbage):
    scores = torch.tensor([garbage, 0.5, garbage, 1.5, -1e30])
    indices, valid = gumbel_topk(scores, 4, mask=torch.tensor([False, True, False, True, True]))
    assert indices[:3].tolist() == [3, 1, 4]
    assert valid.tolist() == [True, True, True, False]


def test_noise_moves_the_choice():
    scores, noise = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 0.0, 0.5])
    assert gumbel_topk(scores, 2, noise=noise)[0].tolist() == [0, 2]


def test_inclusion_frequencies_are_those_of_sampling_without_replacement():
    scores = torch.tensor([0.0, 0.5, -1.0, 1.2, 0.3, -0.4], dtype=torch.float64)
    draws, k = 200_000, 2
    noise = gumbel_noise(draws, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    indices, _ = gumbel_topk(scores.expand(draws, 6), k, noise=noise)
    frequency = torch.bincount(indices.flatten(), minlength=6) / draws
    exact = torch.tensor(naive.inclusion_probabilities(scores.tolist(), k), dtype=torch.float64)
    assert abs(exact.sum() - k) < 1e-12
    standard_error = (exact * (1 - exact) / draws).sqrt()
    assert bool(((frequency - exact).abs() < 4 * standard_error).all()), (frequency, exact)


def test_noise_is_gumbel_and_reproducible():
    noise = gumbel_noise(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    again = gumbel_noise(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.equal(noise, again)
    assert bool(noise.isfinite().all())
    variance = torch.pi**2 / 6
    assert abs(noise.mean() - 0.5772156649) < 4 * (variance / len(noise)) ** 0.5
    assert abs(noise.var() - variance) < 0.05
    below = (noise < 1.0).double().mean()
    assert abs(below - torch.exp(-torch.exp(torch.tensor(-1.0)))) < 4 * 0.5 / len(noise) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_noise_has_the_dtype_asked_for(dtype):
    assert gumbel_noise(2, 3, dtype=dtype).dtype == dtype


def test_zero_tokens_choose_nothing():
    indices, _ = gumbel_topk(torch.zeros(2, 0), 3)
    assert indices.shape == (2, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_scores_are_refused(dtype):
    with pytest.raises(ValueError, match="float32 or float64"):
        gumbel_topk(torch.zeros(4, dtype=dtype), 2)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}, expected at least 1"):
        gumbel_topk(torch.zeros(4), k)


def test_topk_operator_is_well_formed():
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    for scores, k in ((torch.randn(2, 7), 3), (torch.ones(5), 2)):
        torch.library.opcheck(torch.ops.sampleformer.ordered_topk, (scores, k), test_utils=tests)
    assert ordered_topk(torch.tensor([1.0, 2.0]), 1).tolist() == [1]


@pytest.mark.parametrize("choice", CHOICES)
def test_compiled_equals_eager(choice, fresh_compiler):
    choose, _ = CHOICES[choice]
    values = problem(k=3, r=2, width=5, temperature=1.0, validity="both-partly-invalid")
    upstream = torch.randn_like(values["top"])
    compiled = torch.compile(choose, fullgraph=True, backend="aot_eager")
    expected, found = (value_and_gradients(one, values, upstream) for one in (choose, compiled))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)
