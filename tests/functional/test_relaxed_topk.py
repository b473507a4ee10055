"""Smooth forms of top-k against their twins: values, gradients, masks, limits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.functional.relaxed_topk import relaxed_subset, relaxed_topk, topk_threshold
from tests.naive import estimators as naive

SIZES = [(1, 1), (2, 1), (5, 2), (7, 5), (9, 3), (4, 4), (3, 8)]
TEMPERATURES = [0.3, 1.0, 2.5]


def rows_of(m: int, rows: int = 3) -> torch.Tensor:
    return 2 * torch.randn(rows, m, dtype=torch.float64)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("m", "k"), SIZES)
def test_relaxed_topk_equals_its_twin_in_value_and_gradient(m, k, temperature):
    scores = rows_of(m).requires_grad_()
    temperatures = torch.tensor([1.0, 0.8, 1.3], dtype=torch.float64) * temperature
    temperatures.requires_grad_()
    upstream = torch.randn(3, m, dtype=torch.float64)
    found = relaxed_topk(scores, k, temperatures)
    gradients = torch.autograd.grad(found, (scores, temperatures), upstream, materialize_grads=True)

    def twin(values: torch.Tensor, of_rows: torch.Tensor) -> torch.Tensor:
        pairs = zip(values.tolist(), of_rows.tolist(), strict=True)
        return torch.tensor([naive.relaxed_topk(row, k, t) for row, t in pairs], dtype=torch.float64)

    torch.testing.assert_close(found.detach(), twin(scores, temperatures), rtol=1e-9, atol=1e-9)
    # The twin finds its threshold by search, so its gradient comes from differences.
    step = 1e-5
    for leaf, gradient in zip((scores, temperatures), gradients, strict=True):
        for place in range(leaf.numel()):
            change = torch.zeros(leaf.numel(), dtype=torch.float64)
            change[place] = step
            change = change.view_as(leaf)
            ends = [
                twin(*((each.detach() + sign * change) if each is leaf else each for each in (scores, temperatures)))
                for sign in (1, -1)
            ]
            expected = ((ends[0] - ends[1]) * upstream).sum() / (2 * step)
            torch.testing.assert_close(gradient.flatten()[place], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("relax", [relaxed_topk, relaxed_subset])
@pytest.mark.parametrize("k", [1, 3])
def test_gradcheck(relax, k):
    scores = rows_of(6).requires_grad_()
    temperature = torch.tensor([0.7, 1.0, 1.9], dtype=torch.float64, requires_grad=True)
    valid = torch.rand(3, 6) < 0.8
    assert torch.autograd.gradcheck(lambda s, t: relax(s, k, t, valid), (scores, temperature), atol=1e-6)


def test_the_gradient_of_relaxed_topk_has_the_right_gradient_too():
    scores = rows_of(5).requires_grad_()
    temperature = torch.tensor([0.7, 1.0, 1.9], dtype=torch.float64, requires_grad=True)
    valid = torch.tensor([5, 4, 2])[:, None] > torch.arange(5)
    assert torch.autograd.gradgradcheck(lambda s, t: relaxed_topk(s, 2, t, valid), (scores, temperature), atol=1e-6)


@pytest.mark.parametrize("gap", [1e2, 1e4])
def test_scores_in_two_far_groups_are_parted_between_them(gap):
    scores = torch.tensor([gap, gap + 1, 0.0, 1.0, -gap])
    one = torch.tensor(1.0)
    torch.testing.assert_close(relaxed_topk(scores, 2, one), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    expected = torch.cat([torch.ones(2), relaxed_topk(scores[2:4], 1, one), torch.zeros(1)])
    torch.testing.assert_close(relaxed_topk(scores, 3, one), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(("m", "k"), SIZES)
def test_relaxed_subset_equals_its_twin_in_value_and_gradient(m, k, temperature):
    scores = rows_of(m).requires_grad_()
    upstream = torch.randn(3, m, dtype=torch.float64)
    found = relaxed_subset(scores, k, torch.tensor(temperature, dtype=torch.float64))
    expected = torch.stack([naive.relaxed_subset(row, k, temperature) for row in scores])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    gradients = [
        torch.autograd.grad(out, scores, upstream, allow_unused=True, materialize_grads=True)[0]
        for out in (found, expected)
        if out.requires_grad
    ]
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradients[0], gradient, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("relax", [relaxed_topk, relaxed_subset])
def test_padding_has_no_part_and_changes_nothing(relax):
    scores, valid = rows_of(7, rows=4), torch.tensor([7, 5, 2, 0])[:, None] > torch.arange(7)
    one = torch.tensor(1.0, dtype=torch.float64)
    for garbage in (torch.inf, -torch.inf, torch.nan, 1e30):
        spoilt = scores.masked_fill(~valid, garbage).requires_grad_()
        found = relax(spoilt, 3, one, valid)
        (gradient,) = torch.autograd.grad(found.square().sum(), spoilt)
        assert not found[~valid].any()
        assert not gradient[~valid].any()
        assert bool(gradient.isfinite().all())
        for row, length in enumerate((7, 5, 2)):
            torch.testing.assert_close(found[row, :length], relax(scores[row, :length], 3, one), rtol=1e-9, atol=1e-9)
    assert torch.equal(found[2, :2], torch.ones(2, dtype=torch.float64)), "fewer tokens than k are taken whole"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 8), spread=st.sampled_from([0.0, 1.0, 1e3]))
def test_shares_lie_between_zero_and_one_and_sum_to_k(dtype, seed, k, spread):
    scores = spread * torch.randn(2, 9, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    shares = relaxed_topk(scores, k, torch.ones((), dtype=dtype))
    assert bool(((shares >= 0) & (shares <= 1)).all())
    torch.testing.assert_close(shares.sum(-1), torch.full((2,), float(k), dtype=dtype), rtol=1e-4, atol=1e-4)
    both = relaxed_subset(scores, k, torch.ones((), dtype=dtype))
    torch.testing.assert_close(both.sum(-1), torch.full((2,), float(k), dtype=dtype), rtol=1e-3, atol=1e-3)


@given(seed=st.integers(0, 2**31), constant=st.floats(-50, 50))
def test_a_constant_added_to_all_scores_changes_nothing(seed, constant):
    scores = torch.randn(2, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    one = torch.tensor(1.0, dtype=torch.float64)
    for relax in (relaxed_topk, relaxed_subset):
        torch.testing.assert_close(relax(scores + constant, 3, one), relax(scores, 3, one), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(topk_threshold(scores + constant, 3), topk_threshold(scores, 3) + constant)


def test_cold_it_is_the_k_best():
    scores = torch.tensor([0.3, 2.0, -1.0, 1.5, 0.9])
    for relax in (relaxed_topk, relaxed_subset):
        found = relax(scores, 2, torch.tensor(0.01))
        torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("gap", [10.0, 20.0, 50.0, 2000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_score_far_above_the_others_is_taken_off_by_what_the_others_have(dtype, gap):
    # After the first softmax it is as likely as both others together, however far above them it was.
    found = relaxed_subset(torch.tensor([gap, 0.0, 0.0], dtype=dtype), 2, torch.tensor(1.0, dtype=dtype))
    torch.testing.assert_close(found, torch.tensor([1.5, 0.25, 0.25], dtype=dtype), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("relax", [relaxed_topk, relaxed_subset])
def test_a_low_temperature_has_a_finite_gradient_beside_padding(relax):
    valid = torch.tensor([4, 1, 0])[:, None] > torch.arange(5)
    for degrees in (0.4, 0.1, 0.01):
        temperature = torch.full((3,), degrees, requires_grad=True)
        scores = torch.randn(3, 5, requires_grad=True)
        gradients = torch.autograd.grad(relax(scores, 2, temperature, valid).square().sum(), (scores, temperature))
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)
