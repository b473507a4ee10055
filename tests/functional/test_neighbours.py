"""Nearest neighbours against their twin: ties, masks, blocks, too few points, the compiler, memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sampleformer.functional import neighbour_tree, neighbours
from sampleformer.functional.neighbour_tree import ask_tree
from sampleformer.functional.neighbours import nearest_neighbours
from tests.naive import clouds as naive


def assert_equals_twin(points: Tensor, k: int, mask: Tensor | None) -> None:
    indices, valid = nearest_neighbours(points, k, mask)
    expected, expected_valid = naive.nearest(points, k, torch.ones(points.shape[:2]).bool() if mask is None else mask)
    assert indices.tolist() == expected
    if valid is None:
        valid = torch.ones_like(indices).bool()
    assert valid.tolist() == expected_valid


@pytest.mark.parametrize("masked", [False, True], ids=["no-mask", "masked"])
@pytest.mark.parametrize("numbers", [1, 50, 2**19], ids=lambda numbers: f"{numbers}-numbers-a-block")
@pytest.mark.parametrize("size", [(2, 13, 3, 4), (1, 1, 3, 2), (3, 5, 2, 7), (1, 7, 1, 6), (2, 9, 3, 1)], ids=str)
def test_equal_the_twin(size, numbers, masked, monkeypatch):
    monkeypatch.setattr(neighbours, "NUMBERS_PER_BLOCK", numbers)
    batch, length, width, k = size
    points = torch.randn(batch, length, width, dtype=torch.float64)
    mask = torch.rand(batch, length) < 0.7 if masked else None
    assert_equals_twin(points, k, mask)


@given(seed=st.integers(0, 10**6), length=st.integers(1, 12), k=st.integers(1, 13), masked=st.booleans())
def test_equal_distances_come_in_the_order_of_their_index(seed, length, k, masked):
    torch.manual_seed(seed)
    points = torch.randint(0, 3, (2, length, 3)).float()  # few different places: coinciding points and many ties
    assert_equals_twin(points, k, torch.rand(2, length) < 0.6 if masked else None)


@pytest.mark.parametrize("shape", [(2, 0, 3), (0, 4, 3)], ids=str)
def test_nothing_gives_nothing(shape):
    indices, valid = nearest_neighbours(torch.zeros(shape), 3, torch.ones(shape[:2]).bool())
    assert indices.shape == valid.shape == (*shape[:2], 3)


def test_all_valid_is_said_by_none():
    points = torch.randn(2, 5, 3)
    assert nearest_neighbours(points, 4)[1] is None
    assert nearest_neighbours(points, 5)[1] is not None


def test_content_of_padding_changes_nothing():
    points, mask = torch.randn(2, 9, 3), torch.rand(2, 9) < 0.6
    expected = nearest_neighbours(points, 3, mask)
    for spoilt in (torch.nan, torch.inf, 1e30):
        found = nearest_neighbours(points.masked_fill(~mask[..., None], spoilt), 3, mask)
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_half_precision_coordinates_are_compared_in_float32():
    points = torch.randn(1, 40, 3, dtype=torch.bfloat16)
    assert torch.equal(nearest_neighbours(points, 5)[0], nearest_neighbours(points.float(), 5)[0])


@given(seed=st.integers(0, 10**6))
def test_permuting_points_permutes_neighbours(seed):
    torch.manual_seed(seed)
    points, order = torch.randn(1, 15, 3, dtype=torch.float64), torch.randperm(15)
    expected, found = nearest_neighbours(points, 4)[0][0], nearest_neighbours(points[:, order], 4)[0][0]
    assert torch.equal(order[found], expected[order])


@pytest.mark.parametrize("k", [0, -1])
def test_wrong_k_is_refused(k):
    with pytest.raises(ValueError, match=f"k is {k}, expected at least 1"):
        nearest_neighbours(torch.zeros(1, 3, 3), k)


@pytest.mark.parametrize("masked", [False, True], ids=["no-mask", "masked"])
@pytest.mark.usefixtures("fresh_compiler")
def test_compiles_whole(masked):
    compiled = torch.compile(nearest_neighbours, fullgraph=True, backend="aot_eager")
    for length in (9, 14):
        points = torch.randn(2, length, 3, requires_grad=True)
        mask = torch.rand(2, length) < 0.7 if masked else None
        found, expected = compiled(points, 4, mask), nearest_neighbours(points, 4, mask)
        assert torch.equal(found[0], expected[0])
        assert (found[1] is None) == (expected[1] is None)
        assert expected[1] is None or torch.equal(found[1], expected[1])


def test_exports_with_any_batch_and_length():
    class Neighbours(torch.nn.Module):
        def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            return nearest_neighbours(points, 3, mask)

    def given_inputs(batch: int, length: int) -> tuple[Tensor, Tensor]:
        return torch.randn(batch, length, 3), torch.rand(batch, length) < 0.7

    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    program = torch.export.export(Neighbours(), given_inputs(2, 9), dynamic_shapes=(sizes, sizes)).module()
    for size in ((2, 9), (3, 20), (5, 4)):
        inputs = given_inputs(*size)
        assert all(torch.equal(*pair) for pair in zip(program(*inputs), Neighbours()(*inputs), strict=True))


def test_the_operator_is_registered_as_compilers_want():
    operator = torch.ops.sampleformer.nearest_neighbours.default
    torch.library.opcheck(operator, (torch.randn(2, 6, 3), 4, None))
    torch.library.opcheck(operator, (torch.randn(2, 6, 3), 4, torch.rand(2, 6) < 0.6))


class Largest(TorchDispatchMode):
    """Keeps the size of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        made = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.numbers = max([self.numbers, *made])
        return result


def test_no_tensor_grows_faster_than_the_points(monkeypatch):
    monkeypatch.setattr(neighbours, "NUMBERS_PER_BLOCK", 1)
    largest = []
    for length in (100, 200):
        with Largest() as seen:
            neighbours._nearest_neighbours(torch.randn(1, length, 3), 4, None)
        largest.append(seen.numbers)
    assert largest == [400, 800]  # the indices themselves


def _places(kind: str, length: int) -> Tensor:
    if kind == "grid":  # many ties
        return torch.randint(0, 9, (2, length, 3)).float()
    if kind == "two places":  # nothing but ties
        return torch.randint(0, 2, (2, length, 1)).float().expand(-1, -1, 3).contiguous()
    points = torch.randn(2, length, 3, dtype=torch.float64 if kind == "double" else torch.float32)
    if kind == "close":  # squares below the smallest number
        return points * 1e-21
    if kind == "far":  # squares that overflow
        return points * torch.where(torch.rand(2, length, 1) < 0.01, 1e20, 1.0)
    return points


@pytest.mark.skipif(neighbour_tree._tree() is None, reason="needs scipy")
@pytest.mark.parametrize("masked", [False, True], ids=["no-mask", "masked"])
@pytest.mark.parametrize("kind", ["random", "double", "grid", "two places", "close", "far"])
@pytest.mark.parametrize(("length", "k"), [(611, 1), (777, 16)])
def test_a_tree_finds_what_all_distances_find(length, k, kind, masked, monkeypatch):
    points = _places(kind, length)
    mask = torch.rand(2, length) < torch.tensor([[0.95], [0.3]]) if masked else None  # few points of the second cloud
    asked = []
    monkeypatch.setattr(neighbours, "ask_tree", lambda *given: asked.append(ask_tree(*given)) or asked[-1])
    found = nearest_neighbours(points, k, mask)
    sure = sum(int(each[1].sum()) for each in asked)
    assert sure > length / 2 if kind in ("random", "double", "far") else asked
    monkeypatch.setattr(neighbour_tree, "_tree", lambda: None)
    expected = nearest_neighbours(points, k, mask)
    for one, other in zip(found, expected, strict=True):
        assert one is other is None or torch.equal(one, other)
