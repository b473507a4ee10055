"""Attention by collisions against its twin: values, every gradient, masks, statistics, memory, compilers."""

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sampleformer.functional.bernoulli import (
    bernoulli_attention,
    buckets,
    collision_attention,
    collision_probability,
    expected,
    expected_attention,
    gaussian_planes,
    hadamard_planes,
    hadamard_projection,
    hadamard_signs,
    pack_signs,
    sign_codes,
    unit_length,
)
from tests.naive import bernoulli as naive

SIZES = [
    pytest.param({"n": 1, "k": 1, "e": 1, "c": 1, "m": 1, "t": 1}, id="one-of-everything"),
    pytest.param({"n": 7, "k": 7, "e": 5, "c": 5, "m": 3, "t": 2}, id="self"),
    pytest.param({"n": 5, "k": 11, "e": 3, "c": 4, "m": 2, "t": 4}, id="cross-wider-values"),
    pytest.param({"n": 13, "k": 6, "e": 4, "c": 1, "m": 5, "t": 3}, id="cross-one-value"),
    pytest.param({"n": 3, "k": 71, "e": 2, "c": 3, "m": 2, "t": 1}, id="full-buckets"),
    pytest.param({"n": 53, "k": 2, "e": 3, "c": 2, "m": 2, "t": 1}, id="many-queries"),
]
MASKS = ["all-valid", "some-keys", "some-queries", "both", "heads-differ", "no-keys", "no-queries"]
METHODS = {
    "expected": lambda query, key, value, planes, *masks: expected_attention(
        query, key, value, planes.shape[-1], *masks
    ),
    "sampled": bernoulli_attention,
    "exact": partial(bernoulli_attention, gradient="exact"),
}
LEAVES = ("query", "key", "value")


@pytest.fixture(autouse=True, scope="module")
def tables_at_every_length():
    """Short inputs go pair by pair, for which test_bernoulli_pairs.py is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sampleformer.functional.bernoulli.sampled.are_cheaper", lambda *_: False)
        yield


def problem(n: int, k: int, e: int, c: int, m: int, t: int, masks: str = "all-valid", b: int = 2, h: int = 2):
    """Queries and keys of unit length, some of them close to each other, in float64; planes; masks."""
    query = unit_length(torch.randn(b, h, n, e, dtype=torch.float64))
    key = unit_length(query[:, :, torch.arange(k) % n] + 0.7 * torch.randn(b, h, k, e, dtype=torch.float64))
    keys, queries = {"both": (1, 1), "some-keys": (1, 0), "some-queries": (0, 1), "heads-differ": (h, h)}.get(
        masks, (0, 0)
    )
    valid = torch.rand(b, keys, k) < 0.7 if keys else None
    query_valid = torch.rand(b, queries, n) < 0.7 if queries else None
    return {
        "query": query,
        "key": key,
        "value": torch.randn(b, h, k, c, dtype=torch.float64),
        "planes": gaussian_planes(m, e, t, dtype=torch.float64),
        "valid": torch.zeros(b, 1, k, dtype=torch.bool) if masks == "no-keys" else valid,
        "query_valid": torch.zeros(b, 1, n, dtype=torch.bool) if masks == "no-queries" else query_valid,
    }


def value_and_gradients(attend, values: dict[str, Tensor | None], upstream: Tensor) -> dict[str, Tensor]:
    leaves = {name: values[name].clone().requires_grad_() for name in LEAVES}
    out = attend(*leaves.values(), values["planes"], values["valid"], values["query_valid"])
    assert out.shape == upstream.shape
    assert out.dtype == values["value"].dtype
    gradients = torch.autograd.grad(out, list(leaves.values()), upstream)
    return {"out": out.detach(), **dict(zip(LEAVES, gradients, strict=True))}


def twin(method: str, values: dict[str, Tensor | None], upstream: Tensor) -> dict[str, Tensor]:
    """The same by the twin, head by head."""
    code_length, found = values["planes"].shape[-1], {}
    samples, heads = values["query"].shape[:2]
    for b, h in itertools.product(range(samples), range(heads)):
        query, key, value = (values[name][b, h] for name in LEAVES)
        masks = [
            None if mask is None else mask.expand(-1, heads, -1)[b, h]
            for mask in (values["valid"], values["query_valid"])
        ]
        codes = [naive.sign_codes(vectors, values["planes"]) for vectors in (query, key)]
        sampled = naive.frequencies(*codes, code_length, *masks)
        exact = naive.probabilities(query, key, code_length, *masks)
        weight = exact if method == "expected" else sampled
        surrogate = sampled if method == "sampled" else exact
        head = naive.gradients(upstream[b, h], query, key, value, code_length, weight, surrogate)
        head["out"] = naive.attend(weight, value)
        for name, tensor in head.items():
            found.setdefault(name, []).append(tensor)
    return {name: torch.stack(heads).unflatten(0, upstream.shape[:2]) for name, heads in found.items()}


def assert_same(found: dict[str, Tensor], expected_values: dict[str, Tensor], tolerance: float = 1e-10) -> None:
    for name, value in expected_values.items():
        torch.testing.assert_close(
            found[name], value, rtol=tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_value_and_every_gradient_equal_the_twins(method, size, masks):
    values = problem(**size, masks=masks)
    upstream = torch.randn(2, 2, size["n"], size["c"], dtype=torch.float64)
    assert_same(value_and_gradients(METHODS[method], values, upstream), twin(method, values, upstream))


@pytest.mark.parametrize("numbers", [1, 60, 500])
@pytest.mark.parametrize("method", METHODS)
def test_working_portion_by_portion_changes_nothing(method, numbers, monkeypatch):
    values = problem(n=9, k=14, e=3, c=2, m=5, t=3, masks="heads-differ")
    upstream = torch.randn(2, 2, 9, 2, dtype=torch.float64)
    whole = value_and_gradients(METHODS[method], values, upstream)
    for module, name in (
        (buckets, "NUMBERS_OF_SUMS"),
        (buckets, "NUMBERS_OF_OUTER_PRODUCTS"),
        (expected, "NUMBERS_PER_BLOCK"),
    ):
        monkeypatch.setattr(module, name, numbers)
    assert_same(value_and_gradients(METHODS[method], values, upstream), whole, 1e-12)


@pytest.mark.parametrize("limit", [1, 7, 30, 1000])
@pytest.mark.parametrize(("rows", "hashes"), [(1, 1), (3, 5), (7, 2)])
def test_portions_take_every_row_and_hash_once(rows, hashes, limit):
    taken = torch.zeros(rows, hashes)
    for row, hash_ in buckets._portions(rows, hashes, 5, limit):
        taken[row, hash_] += 1
        assert taken[row, hash_].numel() * 5 <= max(5, limit)
    assert bool((taken == 1).all())


@pytest.mark.parametrize("equal", [1, 16, 17, 133])
@pytest.mark.parametrize("method", ["sampled", "exact"])
def test_many_equal_keys_and_queries_equal_the_twin(method, equal):
    values = problem(n=5, k=3, e=3, c=2, m=2, t=3, b=1, h=1)
    for name in LEAVES:
        repeated = values[name][:, :, :1].expand(-1, -1, equal, -1)
        values[name] = torch.cat([repeated, values[name]], dim=2)
    upstream = torch.randn(1, 1, equal + 5, 2, dtype=torch.float64)
    assert_same(value_and_gradients(METHODS[method], values, upstream), twin(method, values, upstream))


def test_float32_at_a_size_where_torch_takes_its_fast_kernels_equals_dense_matrices():
    n, k, e, c, m, t = 2100, 2300, 9, 8, 16, 6
    values = problem(n=n, k=k, e=e, c=c, m=m, t=t, masks="both", b=1, h=1)
    upstream = torch.randn(1, 1, n, c, dtype=torch.float64)
    single = {name: x.float() if name in (*LEAVES, "planes") else x for name, x in values.items()}
    found = value_and_gradients(METHODS["sampled"], single, upstream.float())
    query, key, value = (single[name][0, 0].double() for name in LEAVES)
    query_codes, key_codes = (sign_codes(single[name], single["planes"])[0, 0] for name in ("query", "key"))
    weight = torch.zeros(n, k, dtype=torch.float64)
    for h in range(m):
        weight += (query_codes[h][:, None] == key_codes[h]) / m
    weight = weight * values["query_valid"][0, 0, :, None] * values["valid"][0, 0]
    slope = upstream[0, 0] @ value.T * weight * t / 2
    dense = {"out": weight @ value, "query": slope @ key, "key": slope.T @ query, "value": weight.T @ upstream[0, 0]}
    for name, exact in dense.items():
        error = (found[name][0, 0].double() - exact).abs().max() / exact.abs().max()
        assert error < 1e-5, (name, error)


@pytest.mark.parametrize("garbage", [math.nan, math.inf], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_garbage_in_masked_tokens_changes_nothing(method, garbage):
    clean = problem(n=9, k=20, e=3, c=2, m=3, t=2, masks="both")
    spoilt = dict(clean)
    for name, mask in (("query", "query_valid"), ("key", "valid"), ("value", "valid")):
        spoilt[name] = clean[name].masked_fill(~clean[mask][..., None], garbage)
    upstream = torch.randn(2, 2, 9, 2, dtype=torch.float64)
    found = value_and_gradients(METHODS[method], spoilt, upstream)
    assert_same(found, value_and_gradients(METHODS[method], clean, upstream), 0)
    assert not found["out"].masked_select(~clean["query_valid"][..., None]).any()


@pytest.mark.parametrize(("n", "k"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("method", METHODS)
def test_no_queries_and_no_keys(method, n, k):
    values = {
        "query": torch.randn(2, 2, n, 4),
        "key": torch.randn(2, 2, k, 4),
        "value": torch.randn(2, 2, k, 5),
        "planes": gaussian_planes(2, 4, 3),
        "valid": None,
        "query_valid": None,
    }
    found = value_and_gradients(METHODS[method], values, torch.randn(2, 2, n, 5))
    for tensor in found.values():
        assert not tensor.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_second_derivative_is_that_of_the_gradients_formulas(method):
    values = problem(n=5, k=7, e=3, c=2, m=2, t=2)
    leaves = [values[name].requires_grad_() for name in LEAVES]
    upstream = torch.randn(2, 2, 5, 2, dtype=torch.float64, requires_grad=True)
    query, key, value = leaves
    codes = [sign_codes(vectors, values["planes"]) for vectors in (query, key)]
    collide = (codes[0][..., :, None] == codes[1][..., None, :]).double().mean(2)
    probable = collision_probability(query @ key.mT, 2)
    for_value = probable if method == "expected" else collide
    for_pairs = (collide if method == "sampled" else probable) * (upstream @ value.mT)  # t / 2 is one
    formulas = (for_pairs @ key, for_pairs.mT @ query, for_value.mT @ upstream)
    out = METHODS[method](*leaves, values["planes"])
    gradients = torch.autograd.grad(out, leaves, upstream, create_graph=True)
    results = []
    for found in (gradients, formulas):
        total = sum(tensor.sin().sum() for tensor in found)
        results.append((*found, *torch.autograd.grad(total, [*leaves, upstream])))
    for found, expected_one in zip(*results, strict=True):
        torch.testing.assert_close(found, expected_one, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("needed", LEAVES)
@pytest.mark.parametrize("method", METHODS)
def test_one_gradient_alone_is_that_of_all(method, needed):
    values = problem(n=5, k=4, e=3, c=2, m=2, t=2)
    everything = value_and_gradients(METHODS[method], values, torch.ones(2, 2, 5, 2).double())
    leaf = values[needed].clone().requires_grad_()
    out = METHODS[method](**{name: tensor for name, tensor in values.items() if "valid" not in name} | {needed: leaf})
    out.sum().backward()
    torch.testing.assert_close(leaf.grad, everything[needed], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_value_gradient_is_the_true_one(method):
    values = problem(n=3, k=4, e=3, c=2, m=2, t=2, masks="both", b=1, h=2)
    masks = (values["valid"], values["query_valid"])

    def attend(value: Tensor) -> Tensor:
        return METHODS[method](values["query"], values["key"], value, values["planes"], *masks)

    assert torch.autograd.gradcheck(attend, values["value"].requires_grad_())


# Statistics. Standard errors, not tolerances; the seeds are fixed.


def independent_draws(values: dict[str, Tensor], draws: int, hashes: int) -> tuple[Tensor, Tensor]:
    """Codes of one head's queries and keys under many independent sets of hashes, one a sample: (draws, 1, m, n)."""
    planes = gaussian_planes(draws * hashes, values["query"].shape[-1], 3, dtype=torch.float64)
    return tuple(
        sign_codes(values[name][0, 0], planes).unflatten(0, (draws, hashes))[:, None] for name in ("query", "key")
    )


def assert_mean_is(draws: Tensor, expected_mean: Tensor) -> None:
    mean, standard_error = draws.mean(0), draws.std(0) / len(draws) ** 0.5
    assert bool(((mean - expected_mean).abs() <= 4 * standard_error + 1e-12).all()), (mean, expected_mean)


@pytest.mark.parametrize("hashes", [1, 4])
def test_sampled_value_and_gradients_are_unbiased(hashes):
    draws = 4000
    values = problem(n=5, k=4, e=3, c=2, m=1, t=3, b=1, h=1)
    codes = independent_draws(values, draws, hashes)
    leaves = [values[name].expand(draws, -1, -1, -1).clone().requires_grad_() for name in LEAVES]
    upstream = torch.randn(1, 1, 5, 2, dtype=torch.float64)
    out = collision_attention(*leaves, *codes, 3)
    gradients = torch.autograd.grad(out, leaves, upstream.expand(draws, -1, -1, -1))
    exact = value_and_gradients(METHODS["expected"], values, upstream)
    for name, drawn in zip(("out", *LEAVES), (out.detach(), *gradients), strict=True):
        assert float(drawn.std(0).max()) > 0
        assert_mean_is(drawn, exact[name][0])


@pytest.mark.parametrize("hashes", [2, 8])
def test_variance_falls_as_one_over_the_hashes(hashes):
    draws = 4000
    values = problem(n=6, k=1, e=3, c=1, m=1, t=3, b=1, h=1)
    codes = independent_draws(values, draws, hashes)
    one = torch.ones(draws, 1, 1, 1, dtype=torch.float64)
    query, key = (values[name].expand(draws, -1, -1, -1) for name in ("query", "key"))
    share = collision_attention(query, key, one, *codes, 3)[:, 0, :, 0]
    probability = collision_probability((query[0, 0] @ key[0, 0].T)[:, 0], 3)
    assert_mean_is((share - probability).square(), probability * (1 - probability) / hashes)


# Half precision, autocast, determinism, memory


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_added_up_in_float32(method, dtype):
    count = 1000
    query = torch.eye(2, dtype=dtype)[None, None, :1]
    key = query.expand(1, 1, count, 2)
    value = torch.ones(1, 1, count, 1, dtype=dtype)
    # Added up in bfloat16, a thousand ones are 256.
    out = METHODS[method](query, key, value, torch.ones(2, 2, 3))
    assert out.dtype == dtype
    assert float(out) == count


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_float32_of_the_same_numbers_rounded(method, dtype):
    values = problem(n=9, k=14, e=3, c=2, m=5, t=3, masks="both")
    half = {name: t.to(dtype) if name in LEAVES else t for name, t in values.items()}
    wide = {name: t.float() if name in LEAVES else t for name, t in half.items()}
    upstream = torch.randn(2, 2, 9, 2).to(dtype)
    found = value_and_gradients(METHODS[method], half, upstream)
    exact = value_and_gradients(METHODS[method], wide, upstream.float())
    for name, value in exact.items():
        assert found[name].dtype == dtype
        torch.testing.assert_close(found[name].float(), value, rtol=torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_autocast_changes_nothing(method):
    values = problem(n=9, k=14, e=16, c=2, m=5, t=3, masks="both")
    values = {name: t.float() if name in (*LEAVES, "planes") else t for name, t in values.items()}
    upstream = torch.randn(2, 2, 9, 2)
    plain = value_and_gradients(METHODS[method], values, upstream)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = value_and_gradients(METHODS[method], values, upstream)
        codes = sign_codes(values["query"], values["planes"])
    assert_same(cast, plain, 0)
    assert torch.equal(codes, sign_codes(values["query"], values["planes"]))


@pytest.mark.parametrize("method", METHODS)
def test_the_same_input_gives_the_same_bits_with_deterministic_algorithms_too(method):
    values = problem(n=40, k=60, e=3, c=2, m=5, t=2, masks="both")
    upstream = torch.randn(2, 2, 40, 2, dtype=torch.float64)
    first = value_and_gradients(METHODS[method], values, upstream)
    torch.use_deterministic_algorithms(True)
    try:
        second = value_and_gradients(METHODS[method], values, upstream)
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same(second, first, 0)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_for_the_backward_pass_is_linear_in_n(method):
    def kept(n: int) -> int:
        sizes = []
        values = problem(n=n, k=n, e=4, c=4, m=3, t=4, masks="both")
        leaves = [values[name].requires_grad_() for name in LEAVES]
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()) or tensor, id):
            METHODS[method](*leaves, values["planes"], values["valid"], values["query_valid"])
        return sum(sizes)

    assert kept(16) > 0
    assert kept(64) == 2 * kept(32) == 4 * kept(16)


class LargestTensor(TorchDispatchMode):
    """Sees how many numbers the largest tensor has that anything makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [leaf.untyped_storage().nbytes() // 4 for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.numbers = max(self.numbers, *made, 0)
        return out


@pytest.mark.parametrize("codes_are", ["spread", "equal"])
def test_tables_need_memory_linear_in_n_and_no_matrix_a_token(codes_are, monkeypatch):
    monkeypatch.setattr(buckets, "NUMBERS_OF_SUMS", 1)
    monkeypatch.setattr(buckets, "NUMBERS_OF_OUTER_PRODUCTS", 1)
    e = c = 16

    def largest(n: int) -> int:
        codes = torch.randint(0, 16, (2, 3, n), dtype=torch.int32)
        codes = codes if codes_are == "spread" else torch.full_like(codes, 7)
        q, k, v, g = (torch.randn(2, n, width) for width in (e, e, c, c))
        with LargestTensor() as seen:
            buckets.sum_over_collisions(codes, codes, v, 16)
            buckets.outer_over_collisions(codes, codes, q, k, v, g, 16)
        return seen.numbers

    small, large = largest(512), largest(1024)
    assert 512 * e <= small < 512 * e * c / 4
    assert large <= 2 * small


@pytest.mark.parametrize(("rows", "n", "k"), [(1, 1, 1), (6, 5, 4), (2, 7, 50), (1, 3, 1000), (4, 0, 3), (3, 2, 0)])
def test_blocks_of_weights_are_small_and_cover_every_query_once(rows, n, k, monkeypatch):
    monkeypatch.setattr(expected, "NUMBERS_PER_BLOCK", 60)
    queries, keys = torch.zeros(rows, n, 2), torch.zeros(rows, k, 2)
    taken = torch.zeros(rows, n)
    for row, block in expected._blocks(queries, keys):
        taken[row, block] += 1
        assert taken[row, block].numel() * k <= max(60, k)
    assert bool((taken == 1).all())


# Invariants


@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from(list(METHODS)), st.integers(0, 2**31))
def test_permuting_keys_changes_nothing_and_permuting_queries_permutes(n, k, method, seed):
    torch.manual_seed(seed)
    values = problem(n=n, k=k, e=3, c=2, m=3, t=1, masks="both", b=1)
    upstream = torch.randn(1, 2, n, 2, dtype=torch.float64)
    queries, keys = torch.randperm(n), torch.randperm(k)
    moved = values | {
        "query": values["query"][:, :, queries],
        "query_valid": values["query_valid"][..., queries],
        "key": values["key"][:, :, keys],
        "value": values["value"][:, :, keys],
        "valid": values["valid"][..., keys],
    }
    before = value_and_gradients(METHODS[method], values, upstream)
    after = value_and_gradients(METHODS[method], moved, upstream[:, :, queries])
    for name, order in (("out", queries), ("query", queries), ("key", keys), ("value", keys)):
        torch.testing.assert_close(after[name], before[name][:, :, order], rtol=1e-10, atol=1e-10)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 20), st.sampled_from(list(METHODS)), st.integers(0, 2**31))
def test_padding_changes_nothing(n, k, padding, method, seed):
    torch.manual_seed(seed)
    values = problem(n=n, k=k, e=3, c=2, m=3, t=1, b=1)
    upstream = torch.randn(1, 2, n, 2, dtype=torch.float64)
    padded = dict(values)
    for name, mask in (("query", "query_valid"), ("key", "valid"), ("value", "valid")):
        more = torch.randn(1, 2, padding, values[name].shape[-1], dtype=torch.float64)
        padded[name] = torch.cat([values[name], more], dim=2)
        padded[mask] = (torch.arange(padded[name].shape[2]) < values[name].shape[2]).expand(1, 1, -1)
    longer = torch.cat([upstream, torch.randn(1, 2, padding, 2, dtype=torch.float64)], dim=2)
    before = value_and_gradients(METHODS[method], values, upstream)
    after = value_and_gradients(METHODS[method], padded, longer)
    for name, length in (("out", n), ("query", n), ("key", k), ("value", k)):
        torch.testing.assert_close(after[name][:, :, :length], before[name], rtol=1e-10, atol=1e-10)
        assert not after[name][:, :, length:].any()


# Compiled and exported


def whole_method(method: str):
    def attend(query: Tensor, key: Tensor, value: Tensor, planes: Tensor, valid: Tensor, query_valid: Tensor) -> Tensor:
        return METHODS[method](unit_length(query), unit_length(key), value, planes, valid, query_valid)

    return attend


@pytest.mark.parametrize("method", METHODS)
def test_compiled_with_any_length_equals_eager(method, fresh_compiler):
    attend = whole_method(method)
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager", dynamic=True)
    for n, k in ((5, 7), (9, 4)):
        values = problem(n=n, k=k, e=3, c=2, m=2, t=3, masks="both")
        results = []
        for run in (attend, compiled):
            leaves = [values[name].clone().requires_grad_() for name in LEAVES]
            out = run(*leaves, values["planes"], values["valid"], values["query_valid"])
            results.append(dict(enumerate((out, *torch.autograd.grad(out.square().sum(), leaves)))))
        assert_same(results[1], results[0], 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_one_tensor_in_every_role_compiles(method, fresh_compiler):
    def attend(tokens: Tensor, planes: Tensor) -> Tensor:
        return METHODS[method](tokens, tokens, tokens, planes)

    values = problem(n=5, k=5, e=3, c=3, m=2, t=3)
    results = []
    for run in (attend, torch.compile(attend, fullgraph=True, backend="aot_eager")):
        leaf = values["query"].clone().requires_grad_()
        out = run(leaf, values["planes"])
        results.append({"out": out, "gradient": torch.autograd.grad(out.square().sum(), leaf)[0]})
    assert_same(results[1], results[0], 1e-12)


class WithPlanes(torch.nn.Module):
    """An exported program is a module."""

    def __init__(self, method: str, planes: Tensor) -> None:
        super().__init__()
        self.attend = whole_method(method)
        self.register_buffer("planes", planes)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, valid: Tensor, query_valid: Tensor) -> Tensor:
        return self.attend(query, key, value, self.planes, valid, query_valid)


@pytest.mark.parametrize("method", ["expected", "sampled"])
def test_exported_with_any_batch_and_length_equals_eager(method):
    planes = gaussian_planes(2, 3, 4, dtype=torch.float64)
    module = WithPlanes(method, planes)

    def inputs(b: int, n: int, k: int) -> tuple[Tensor, ...]:
        values = problem(n=n, k=k, e=3, c=2, m=2, t=3, masks="both", b=b)
        return tuple(values[name] for name in (*LEAVES, "valid", "query_valid"))

    any_size = torch.export.Dim.DYNAMIC
    each = {0: any_size, 2: any_size}
    program = torch.export.export(module, inputs(2, 5, 7), dynamic_shapes=(each,) * 5, strict=False)
    for size in ((2, 5, 7), (3, 9, 4), (1, 1, 1)):
        given_inputs = inputs(*size)
        torch.testing.assert_close(program.module()(*given_inputs), module(*given_inputs), rtol=1e-12, atol=1e-12)


def test_operators_are_well_formed():
    values = problem(n=5, k=7, e=3, c=2, m=2, t=3)
    query, key, value = (values[name] for name in LEAVES)
    codes = (sign_codes(query, values["planes"]), sign_codes(key, values["planes"]))
    gradient = torch.randn(2, 2, 5, 2, dtype=torch.float64)
    operators = torch.ops.sampleformer
    some_tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    for operator, args in (
        (operators.sign_codes, (query, values["planes"])),
        (operators.expected_attention, (query, key, value, 3)),
        (operators.expected_attention_backward, (query, key, value, gradient, 3)),
        (operators.bernoulli_sum, (*codes, value, 8)),
        (operators.bernoulli_outer, (*codes, query, key, value, gradient, 8)),
    ):
        torch.library.opcheck(operator, args, test_utils=some_tests)


# Refusals


@pytest.mark.parametrize("code_length", [0, 17, -1])
def test_code_lengths_out_of_range_are_refused(code_length):
    tokens, codes = torch.ones(1, 1, 2, 3), torch.zeros(1, 1, 1, 2, dtype=torch.int32)
    for call in (
        lambda: gaussian_planes(2, 3, code_length),
        lambda: hadamard_signs(2, 3, code_length),
        lambda: hadamard_projection(tokens, torch.ones(20, 3, 4), 2, code_length),
        lambda: hadamard_planes(torch.ones(20, 3, 4), 2, 3, code_length),
        lambda: collision_probability(torch.zeros(2), code_length),
        lambda: expected_attention(tokens, tokens, tokens, code_length),
        lambda: collision_attention(tokens, tokens, tokens, codes, codes, code_length),
    ):
        with pytest.raises(ValueError, match=f"code_length is {code_length}, expected 1 to 16"):
            call()


@pytest.mark.parametrize("code_length", [0, 17])
def test_planes_of_a_code_length_out_of_range_are_refused(code_length):
    tokens, planes = torch.ones(1, 1, 2, 3), torch.ones(2, 3, code_length)
    for call in (
        lambda: sign_codes(tokens, planes),
        lambda: pack_signs(torch.ones(2, code_length)),
        lambda: bernoulli_attention(tokens, tokens, tokens, planes),
    ):
        with pytest.raises(ValueError, match=f"code_length is {code_length}, expected 1 to 16"):
            call()


def test_no_hashes_and_no_width_are_refused():
    tokens, codes = torch.ones(1, 1, 2, 3), torch.zeros(1, 1, 0, 2, dtype=torch.int32)
    for call in (
        lambda: gaussian_planes(0, 3, 2),
        lambda: hadamard_signs(0, 3, 2),
        lambda: sign_codes(tokens, torch.ones(0, 3, 2)),
        lambda: bernoulli_attention(tokens, tokens, tokens, torch.ones(0, 3, 2)),
        lambda: collision_attention(tokens, tokens, tokens, codes, codes, 2),
    ):
        with pytest.raises(ValueError, match="hashes is 0, expected at least 1"):
            call()
    with pytest.raises(ValueError, match="width is 0, expected at least 1"):
        gaussian_planes(1, 0, 2)


def test_an_unknown_gradient_is_refused():
    tokens = torch.ones(1, 1, 2, 3)
    with pytest.raises(ValueError, match="gradient is 'dense', expected 'sampled' or 'exact'"):
        bernoulli_attention(tokens, tokens, tokens, torch.ones(2, 3, 4), gradient="dense")
