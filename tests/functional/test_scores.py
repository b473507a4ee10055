"""Scores of pairs against their twins: values, every gradient, ties, precision, compiled and exported."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sampleformer.functional import scores
from sampleformer.functional.scores import SCORES, maxout
from tests.naive.scores import TWINS

SIZES = [(1, 1, 1, 1, 1), (2, 3, 7, 5, 3), (1, 2, 1, 13, 4), (2, 1, 5, 1, 2)]
every_score = pytest.mark.parametrize("name", SCORES)


def pair(batch: int, heads: int, n: int, k: int, width: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    shapes = (batch, heads, n, width), (batch, heads, k, width)
    return [torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def value_and_gradients(score, query: Tensor, key: Tensor) -> list[Tensor]:
    out = score(query, key)
    upstream = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out)
    return [out.detach(), *torch.autograd.grad(out, (query, key), upstream)]


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float = 1e-10) -> None:
    for name, one, other in zip(("value", "query", "key"), found, expected, strict=True):
        torch.testing.assert_close(
            one, other, rtol=tolerance, atol=tolerance, msg=lambda message, name=name: f"{name}: {message}"
        )


@every_score
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_value_and_every_gradient_equal_the_twins(name, size):
    inputs = pair(*size)
    assert_same(value_and_gradients(SCORES[name], *inputs), value_and_gradients(TWINS[name], *inputs))


@every_score
def test_gradcheck(name):
    query, key = pair(2, 2, 3, 5, 3)
    assert bool(((query[:, :, :, None] - key[:, :, None]).abs() > 1e-4).all()), "a tie has no derivative"
    assert torch.autograd.gradcheck(SCORES[name], (query, key))


def test_equal_numbers_share_the_gradient_of_their_maximum():
    query = torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64).view(1, 1, 1, 3).requires_grad_()
    key = torch.tensor([1.0, 3.0, 0.0], dtype=torch.float64).view(1, 1, 1, 3).requires_grad_()
    of_query, of_key = torch.autograd.grad(maxout(query, key), (query, key))
    scale = 1 / math.sqrt(3 * (1 - 1 / math.pi))
    torch.testing.assert_close(of_query.flatten() / scale, torch.tensor([0.5, 0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(of_key.flatten() / scale, torch.tensor([0.5, 1.0, 0.0], dtype=torch.float64))
    assert_same(value_and_gradients(maxout, query, key), value_and_gradients(TWINS["maxout"], query, key))


@pytest.mark.parametrize("width", [1, 4, 32])
def test_maxout_of_standard_normals_has_mean_zero_and_variance_one(width):
    draws = 200_000
    generator = torch.Generator().manual_seed(width)
    # One query and one key a draw, so that the scores are independent.
    query, key = (torch.randn(draws, 1, 1, width, generator=generator, dtype=torch.float64) for _ in range(2))
    found = maxout(query, key).flatten()
    assert abs(found.mean()) < 4 / math.sqrt(draws)
    error_of_variance = ((found - found.mean()) ** 2).std() / math.sqrt(draws)
    assert abs(found.var() - 1) < 4 * error_of_variance


@every_score
@given(order=st.permutations(range(5)), seed=st.integers(0, 2**31))
def test_permuting_the_slots_permutes_the_scores(name, order, seed):
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(1, 2, n, 3, generator=generator, dtype=torch.float64) for n in (4, 5))
    moved = SCORES[name](query, key[:, :, order])
    torch.testing.assert_close(moved, SCORES[name](query, key)[..., order], rtol=1e-12, atol=1e-12)


@given(shift=st.floats(-10, 10), seed=st.integers(0, 2**31))
def test_adding_a_number_to_all_shifts_maxout(shift, seed):
    generator = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(1, 1, n, 3, generator=generator, dtype=torch.float64) for n in (4, 5))
    expected = maxout(query, key) + shift * 3 / math.sqrt(3 * (1 - 1 / math.pi))
    torch.testing.assert_close(maxout(query + shift, key + shift), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(maxout(key, query).transpose(-1, -2), maxout(query, key), rtol=1e-12, atol=1e-12)


@every_score
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(name, dtype):
    inputs = pair(2, 2, 7, 5, 16, dtype)
    wide = [tensor.detach().float().requires_grad_() for tensor in inputs]
    found, expected = value_and_gradients(SCORES[name], *inputs), value_and_gradients(SCORES[name], *wide)
    assert found[0].dtype == torch.float32
    assert torch.equal(found[0], expected[0])
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert torch.equal(one, other.to(dtype))


@every_score
def test_autocast_is_computed_in_float32(name):
    inputs = pair(2, 2, 7, 5, 16, torch.float32)
    expected = SCORES[name](*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = SCORES[name](*inputs)
        mixed = SCORES[name](inputs[0].bfloat16(), inputs[1])
    assert torch.equal(found, expected)
    assert mixed.dtype == torch.float32


def test_maxout_keeps_no_tensor_of_pairs_times_width():
    largest = []
    query, key = pair(1, 2, 32, 16, 8)
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: largest.append(tensor.numel()) or tensor, lambda x: x
    )
    with hooks:
        maxout(query, key)
    assert max(largest) <= 2 * 32 * 16


def test_on_gpus_cdist_sees_some_queries_at_a_time(monkeypatch):
    query, key = pair(2, 3, 7, 5, 3)
    expected, sizes = value_and_gradients(maxout, query, key), []
    cdist = torch.cdist
    monkeypatch.setattr(torch, "cdist", lambda q, k, p: sizes.append(q.shape[2]) or cdist(q, k, p))
    monkeypatch.setattr(scores, "BLOCKED_DEVICES", ())
    monkeypatch.setattr(scores, "NUMBERS_PER_CALL", 3 * key.numel())
    assert_same(value_and_gradients(maxout, query, key), expected)
    assert sizes == [3, 3, 1]
    monkeypatch.setattr(scores, "NUMBERS_PER_CALL", 1)
    assert_same(value_and_gradients(maxout, query, key), expected)


@every_score
@pytest.mark.parametrize("size", [(2, 2, 0, 5, 3), (2, 2, 4, 0, 3), (0, 2, 4, 5, 3)], ids=str)
def test_nothing_to_score(name, size):
    query, key = pair(*size)
    out = SCORES[name](query, key)
    assert out.shape == size[:4]
    out.sum().backward()
    assert not query.grad.any()


@every_score
def test_compiled_equals_eager(name, fresh_compiler):
    compiled = torch.compile(SCORES[name], fullgraph=True, backend="aot_eager", dynamic=True)
    for size in ((2, 3, 7, 5, 4), (3, 3, 2, 6, 4)):
        inputs = pair(*size)
        assert_same(value_and_gradients(compiled, *inputs), value_and_gradients(SCORES[name], *inputs), 1e-12)


class Scores(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return SCORES[self.name](query, key)


@every_score
def test_exported_with_any_batch_and_length_equals_eager(name):
    any_size = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        Scores(name), tuple(pair(2, 3, 7, 5, 4)), dynamic_shapes=(any_size, any_size), strict=False
    )
    operators = {str(node.target) for node in program.graph.nodes}
    assert not any("cdist" in operator for operator in operators)
    for size in ((3, 3, 2, 6, 4), (1, 3, 1, 1, 4), (2, 3, 63, 9, 4)):
        inputs = pair(*size)
        torch.testing.assert_close(program.module()(*inputs), SCORES[name](*inputs), rtol=1e-12, atol=1e-12)
