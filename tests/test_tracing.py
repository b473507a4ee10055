"""Second derivatives of the functions that write their own gradients, and their batching rules."""

import pytest
import torch

from sampleformer.functional.bernoulli import unit_length
from sampleformer.functional.bernoulli.expected import expected_gradients
from sampleformer.functional.bernoulli.sampled import _Outer, _Sum
from sampleformer.functional.fused import fused_attention
from sampleformer.functional.neighbours import nearest_neighbours
from sampleformer.functional.norms import rms_norm
from sampleformer.functional.sampling import choose_hard, ordered_topk
from sampleformer.functional.subsets import subset_marginals


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (rms_norm, [(5, 4), (4,)]),
        (unit_length, [(5, 4)]),
        (lambda scores: subset_marginals(scores, 2), [(3, 5)]),
        (fused_attention, [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)]),
    ],
    ids=["rms_norm", "unit_length", "subset_marginals", "fused_attention"],
)
def test_second_derivatives_of_what_has_some(function, shapes):
    inputs = [random(*shape) for shape in shapes]
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_a_row_of_zeros_has_finite_second_derivatives():
    for function in (unit_length, lambda rows: rms_norm(rows, torch.ones(4, dtype=torch.float64))):
        rows = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
        (found,) = torch.autograd.grad(function(rows).sum(), rows, create_graph=True)
        if found.requires_grad:
            assert bool(torch.autograd.grad(found.sum(), rows)[0].isfinite().all())


@pytest.mark.parametrize("valid", [None, torch.tensor([[[True, False, True, True, False]], [[False] * 5]])])
def test_a_gradient_made_to_be_differentiated_again_is_the_gradient(valid):
    inputs = [random(2, 2, length, 4) for length in (3, 5, 5)]
    out = fused_attention(*inputs, valid).sin().sum()
    once = torch.autograd.grad(out, inputs, retain_graph=True)
    again = torch.autograd.grad(out, inputs, create_graph=True)
    for found, expected in zip(again, once, strict=True):
        torch.testing.assert_close(found, expected)


def test_the_surrogate_gradient_of_a_hard_choice_is_differentiable():
    # The formula of the gradient is a smooth function of all that enters it.
    top, rest, upstream = random(2, 3, 4), random(2, 3, 4), random(2, 3, 4)
    top_scores, rest_scores = random(2, 3), random(2, 3)
    temperature = torch.tensor([0.7, 1.6], dtype=torch.float64, requires_grad=True)

    def gradients(*given):
        out = choose_hard(*given[:5])
        return torch.autograd.grad(out, given[2:5], given[5], create_graph=True)

    inputs = (top, rest, top_scores, rest_scores, temperature, upstream)
    assert torch.autograd.gradcheck(gradients, inputs)


def test_surrogate_gradients_of_collisions_are_differentiable():
    codes = [torch.randint(3, (1, 2, 3, length), dtype=torch.int32) for length in (4, 5)]
    vectors = [random(1, 2, length, 2) for length in (4, 5, 5, 4)]
    assert torch.autograd.gradcheck(lambda *given: _Outer.apply(*codes, *given, 4), vectors)
    assert torch.autograd.gradgradcheck(lambda *given: _Outer.apply(*codes, *given, 4), vectors)
    assert torch.autograd.gradcheck(lambda values: _Sum.apply(*codes, values, 4), vectors[1:2])


def test_gradients_of_expected_collisions_are_differentiable_by_what_comes_back():
    query, key, value = (unit_length(random(1, 2, length, 3)).detach() for length in (4, 5, 5))
    assert torch.autograd.gradcheck(
        lambda upstream: expected_gradients(query, key, value, upstream, 4), [random(1, 2, 4, 3)]
    )


def test_batching_rules_treat_each_batch_alone():
    scores, points = torch.randn(3, 2, 7).round(decimals=1), torch.randn(3, 2, 7, 2)
    found = torch.func.vmap(lambda rows: ordered_topk(rows, 4), in_dims=1)(scores)
    assert torch.equal(found, ordered_topk(scores.transpose(0, 1), 4))
    indices = torch.func.vmap(lambda cloud: nearest_neighbours(cloud, 3)[0])(points)
    for one, expected in zip(points, indices, strict=True):
        assert torch.equal(nearest_neighbours(one, 3)[0], expected)
