"""Relative terms of codes and edges against their twins: values, every gradient, invariances, memory, precision."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sampleformer.edges import Edges
from sampleformer.functional.edge_terms import edge_terms, slot_edges
from sampleformer.functional.relative import (
    concatenation_terms,
    offset_terms,
    product_terms,
    sinusoidal_code,
    sinusoidal_rates,
)
from tests.naive import relative as naive

EXACT = {"rtol": 1e-10, "atol": 1e-10}
BATCH, QUERIES, KEYS, SLOTS, HEADS, RATES = 2, 5, 7, 3, 4, 3
every_number_of_groups = pytest.mark.parametrize("groups", [1, 2, HEADS])


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def choose(groups: int, keys: int = KEYS, slots: int = SLOTS, batch: int = BATCH) -> Tensor:
    """Each group's own tokens, none of them twice."""
    return torch.rand(batch, groups, keys).argsort(-1)[..., :slots]


def take(of_keys: Tensor, indices: Tensor) -> Tensor:
    """What the chosen tokens hold, (b, n, …) to (b, g, m, …)."""
    return torch.stack([row[chosen] for row, chosen in zip(of_keys, indices, strict=True)])


def assert_same_value_and_gradients(
    fast: Callable[..., Tensor], twin: Callable[..., Tensor], leaves: dict[str, Tensor]
) -> None:
    results = []
    for function in (fast, twin):
        fresh = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
        value = function(**fresh)
        upstream = torch.randn(value.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        gradients = torch.autograd.grad(value, list(fresh.values()), upstream, materialize_grads=True)
        results.append({"value": value.detach(), **dict(zip(leaves, gradients, strict=True))})
    found, expected = results
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **EXACT, msg=lambda text, name=name: f"{name}: {text}")


def offsets_of(positions: Tensor, others: Tensor, rates: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    return offset_terms(sinusoidal_code(positions, rates), sinusoidal_code(take(others, indices), rates), weight)


@every_number_of_groups
def test_offsets_equal_the_twin(groups):
    leaves = {
        "positions": 5 * random(BATCH, QUERIES),
        "others": 5 * random(BATCH, KEYS),
        "rates": torch.rand(RATES).double(),
        "weight": random(HEADS, 2 * RATES),
    }
    indices = choose(groups)
    assert_same_value_and_gradients(
        lambda **given: offsets_of(**given, indices=indices),
        lambda **given: naive.offsets(**given, indices=indices),
        leaves,
    )


@every_number_of_groups
@pytest.mark.parametrize(
    ("fast", "twin", "widths"),
    [
        pytest.param(concatenation_terms, naive.concatenation, (3, 4, 7), id="concatenation"),
        pytest.param(product_terms, naive.product, (5, 5, 5), id="product"),
    ],
)
def test_codes_equal_the_twin(fast, twin, widths, groups):
    leaves = {
        "of_queries": random(BATCH, QUERIES, widths[0]),
        "of_others": random(BATCH, KEYS, widths[1]),
        "weight": random(HEADS, widths[2]),
    }
    indices = choose(groups)
    assert_same_value_and_gradients(
        lambda of_queries, of_others, weight: fast(of_queries, take(of_others, indices), weight),
        lambda **given: twin(**given, indices=indices),
        leaves,
    )


def test_sinusoidal_code_is_the_published_one():
    rates = sinusoidal_rates(3, dtype=torch.float64)
    published = torch.tensor([1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)], dtype=torch.float64)
    torch.testing.assert_close(rates, published, **EXACT)
    positions = 10 * random(2, 5)
    torch.testing.assert_close(sinusoidal_code(positions, rates), naive.code(positions, rates), **EXACT)


def graph(edges: int, width: int = 3, masked: bool = True, batch: int = BATCH) -> Edges:
    """Random edges, of which each set's first three join one pair."""
    source, target = torch.randint(QUERIES, (batch, edges)), torch.randint(KEYS, (batch, edges))
    source[:, :3], target[:, :3] = source[:, :1], target[:, :1]
    mask = torch.rand(batch, edges) < 0.7 if masked else None
    return Edges(source, target, random(batch, edges, width), mask)


def terms_of(edges: Edges, indices: Tensor, valid: Tensor | None, weight: Tensor) -> Tensor:
    ends = slot_edges(edges, indices, valid, queries=QUERIES, keys=KEYS)
    return edge_terms(ends, weight, batch=edges.batch, queries=QUERIES, slots=indices.shape[2])


@every_number_of_groups
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
@pytest.mark.parametrize("valid", [True, False], ids=["invalid-slots", "all-valid"])
@pytest.mark.parametrize(("edges", "width"), [(17, 3), (1, 1), (9, 0)], ids=["17-edges", "one-edge", "bare-edges"])
def test_edges_equal_the_twin(edges, width, valid, masked, groups):
    given, indices = graph(edges, width, masked), choose(groups, slots=5)
    slot_valid = None
    if valid:  # slots that hold no token repeat the index of one that does
        slot_valid = torch.rand(BATCH, groups, 5) < 0.6
        indices = indices.where(slot_valid, indices[..., :1])
    leaves = {"of_edges": given.features, "weight": random(HEADS, width + 1)}
    if not width:
        del leaves["of_edges"]

    def fast(weight: Tensor, of_edges: Tensor = given.features) -> Tensor:
        return terms_of(Edges(given.source, given.target, of_edges, given.mask), indices, slot_valid, weight)

    def twin(weight: Tensor, of_edges: Tensor = given.features) -> Tensor:
        ends = given.source, given.target
        return naive.edges(*ends, of_edges, given.mask, indices, slot_valid, weight, QUERIES)

    assert_same_value_and_gradients(fast, twin, leaves)


def test_edges_run_from_query_to_key():
    edges = Edges(torch.tensor([[3]]), torch.tensor([[6]]), torch.ones(1, 1, 1))
    ends = slot_edges(edges, torch.tensor([[[0, 6, 3]]]), queries=7, keys=7)
    found = edge_terms(ends, torch.ones(1, 2), batch=1, queries=7, slots=3).squeeze()
    assert found.nonzero().tolist() == [[3, 1]]


def test_no_edges_give_zeros():
    edges = Edges(*torch.zeros(2, BATCH, 0).long(), torch.zeros(BATCH, 0, 3))
    weight = torch.ones(HEADS, 4, requires_grad=True)
    found = terms_of(edges, choose(2), None, weight)
    assert torch.equal(found, torch.zeros(BATCH, HEADS, QUERIES, SLOTS))
    found.sum().backward()
    assert not weight.grad.any()


def test_content_of_padded_edges_changes_nothing():
    clean, indices, weight = graph(11), choose(2), random(HEADS, 4).requires_grad_()
    padding = ~clean.mask
    spoilt = Edges(
        clean.source.masked_fill(padding, -5),
        clean.target.masked_fill(padding, 10**12),
        clean.features.masked_fill(padding[..., None], torch.nan),
        clean.mask,
    )
    values = [terms_of(edges, indices, None, weight) for edges in (clean, spoilt)]
    assert torch.equal(*values)
    assert torch.equal(*[torch.autograd.grad(value.square().sum(), weight)[0] for value in values])


@pytest.mark.parametrize("end", ["source", "target"])
@pytest.mark.parametrize("index", [-1, 99], ids=["negative", "too-large"])
def test_an_edge_of_no_token_is_refused(end, index):
    ends = {"source": torch.tensor([[0, 1]]), "target": torch.tensor([[2, 3]])}
    ends[end] = torch.tensor([[0, index]])
    with pytest.raises((RuntimeError, IndexError), match="index"):
        terms_of(Edges(**ends, features=torch.zeros(1, 2, 3)), choose(1, batch=1), None, torch.ones(HEADS, 4))


def test_edges_are_added_up_the_same_way_each_time():
    edges, indices, weight = graph(500), choose(2), torch.randn(HEADS, 4)
    edges = Edges(edges.source, edges.target, edges.features.float(), edges.mask)
    assert torch.equal(*[terms_of(edges, indices, None, weight) for _ in range(2)])


# What must not matter


@given(shift=st.floats(-30, 30), seed=st.integers(0, 10**6))
def test_offsets_do_not_change_when_all_positions_move(shift, seed):
    torch.manual_seed(seed)
    positions, others, weight, indices = random(1, 5), random(1, KEYS), random(HEADS, 6), choose(2, batch=1)
    rates = sinusoidal_rates(3, dtype=torch.float64)
    before, after = (offsets_of(positions + by, others + by, rates, indices, weight) for by in (0.0, shift))
    torch.testing.assert_close(after, before, **EXACT)


@given(seed=st.integers(0, 10**6))
def test_order_of_queries_keys_slots_and_edges_does_not_matter(seed):
    torch.manual_seed(seed)
    edges, indices, weight = graph(13), choose(2), random(HEADS, 4)
    expected = terms_of(edges, indices, None, weight)
    slots, order = torch.randperm(SLOTS), torch.randperm(13)
    assert torch.equal(terms_of(edges, indices[..., slots], None, weight), expected[..., slots])
    moved = Edges(edges.source[:, order], edges.target[:, order], edges.features[:, order], edges.mask[:, order])
    torch.testing.assert_close(terms_of(moved, indices, None, weight), expected, **EXACT)
    new_query, new_key = torch.randperm(QUERIES), torch.randperm(KEYS)
    renamed = Edges(new_query[edges.source], new_key[edges.target], edges.features, edges.mask)
    torch.testing.assert_close(terms_of(renamed, new_key[indices], None, weight)[:, :, new_query], expected, **EXACT)


# Memory


class LargestTensor(TorchDispatchMode):
    """Remembers how many numbers the largest tensor had that was made, views of smaller ones left out."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        made = [
            leaf.untyped_storage().nbytes() // leaf.element_size()
            for leaf in tree_leaves(out)
            if isinstance(leaf, Tensor)
        ]
        self.numbers = max([self.numbers, *made])
        return out


N, K, WIDE = 101, 3, 40


def large_offsets(weight: Tensor) -> Tensor:
    codes = random(1, N, WIDE).requires_grad_()
    return offset_terms(codes, codes[:, None, :K], weight)


def large_product(weight: Tensor) -> Tensor:
    codes = random(1, N, WIDE).requires_grad_()
    return product_terms(codes, codes[:, None, :K], weight)


def large_concatenation(weight: Tensor) -> Tensor:
    codes = random(1, N, WIDE // 2).requires_grad_()
    return concatenation_terms(codes, codes[:, None, :K], weight)


def large_edges(weight: Tensor) -> Tensor:
    ends = torch.randint(N, (2, 1, 2 * N))
    edges = Edges(*ends, random(1, 2 * N, WIDE - 1).requires_grad_())
    ends = slot_edges(edges, choose(1, N, K, batch=1), queries=N, keys=N)
    return edge_terms(ends, weight, batch=1, queries=N, slots=K)


@pytest.mark.parametrize("function", [large_offsets, large_product, large_concatenation, large_edges])
def test_no_tensor_has_pairs_of_all_tokens_or_pairs_times_features(function):
    weight = random(4, WIDE).requires_grad_()
    saved = []
    with (
        LargestTensor() as largest,
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor.numel()) or tensor, lambda x: x),
    ):
        result = function(weight)
        result.square().sum().backward()
    # The largest are the result and what tokens or edges carry: n·h·m, n·f and E·f, with E = 2n.
    assert result.numel() == N * 4 * K
    assert largest.numbers <= max(result.numel(), 2 * N * WIDE) < min(N * N, N * K * WIDE)
    assert max(saved) <= max(result.numel(), 2 * N * WIDE)


# Precision


def of_edges(features: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    ends = torch.randint(QUERIES, (2, BATCH, 9), generator=torch.Generator().manual_seed(5))
    return terms_of(Edges(*ends, features), indices, None, weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("autocast", [True, False], ids=["autocast", "plain"])
@pytest.mark.parametrize("terms", [offset_terms, product_terms, concatenation_terms, of_edges])
def test_terms_are_computed_wide_and_have_the_dtype_of_the_weights(terms, autocast, dtype):
    width, indices = 8, choose(2)
    code = sinusoidal_code(torch.arange(9).expand(BATCH, 9), sinusoidal_rates(4)).to(dtype)
    weight = torch.randn(HEADS, {concatenation_terms: 2 * width, of_edges: width + 1}.get(terms, width)).to(dtype)
    other = indices if terms is of_edges else take(code, indices)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = terms(code, other, weight)
    exact = terms(code.double(), other if terms is of_edges else other.double(), weight.double())
    assert found.dtype == dtype
    # Nothing but the result is rounded to bfloat16; float32 may lose a little more where large terms cancel.
    torch.testing.assert_close(found.double(), exact, rtol=2**-8 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)


# Bad input


def test_groups_that_do_not_divide_the_heads_are_refused():
    code = torch.zeros(1, 5, 2)
    with pytest.raises(ValueError, match="indices are for 3 groups, expected a divisor of the 4 heads"):
        product_terms(code, torch.zeros(1, 3, 2, 2), torch.zeros(4, 2))


def test_weights_for_other_edges_are_refused():
    edges = Edges(*torch.zeros(2, BATCH, 1).long(), torch.zeros(BATCH, 1, 3))
    with pytest.raises(ValueError, match="weight is for 3 features, but edges have 3 and the bit"):
        terms_of(edges, choose(1), None, torch.zeros(1, 3))
