"""YOSO's sums over collisions and their gradients in Triton, against the plain functions in float64."""

import pytest
import torch

from sampleformer.functional import bernoulli as plain
from sampleformer.kernels import bernoulli
from sampleformer.kernels.bernoulli import matrices, pairs, sorting
from tests.kernels.bernoulli_problems import DEVICE, DTYPES, assert_close, problem, value_and_gradients

pytest.importorskip("triton", reason="Triton is not installed")

SIZES = [
    pytest.param({"n": 1, "k": 1, "m": 1, "t": 1}, id="one-of-everything"),
    pytest.param({"n": 7, "k": 7, "rows": (2, 2), "m": 1, "t": 1}, id="self-of-heads-and-samples"),
    pytest.param({"n": 37, "k": 5, "e": 11, "c": 19, "t": 3, "masks": True}, id="cross-wider-values-masks"),
    pytest.param({"n": 5, "k": 71, "e": 17, "c": 9, "t": 1, "masks": True}, id="full-buckets-masks"),
    pytest.param({"n": 9, "k": 13, "e": 128, "c": 70, "m": 1, "t": 1}, id="wide-heads"),
]


def _recorded(method, instances: list):
    def recorded(instance, *arguments: object) -> None:
        method(instance, *arguments)
        instances.append(instance)

    return recorded


def assert_equal_the_plain_ones(values: dict, **how: object) -> dict[str, torch.Tensor]:
    found = value_and_gradients(bernoulli.collision_attention, values, kernel="triton", **how)
    of_plain = {name: value for name, value in how.items() if name != "deterministic"}
    assert_close(found, value_and_gradients(plain.collision_attention, values, wide=True, **of_plain))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_value_and_every_gradient_equal_the_plain_ones(size):
    assert_equal_the_plain_ones(problem(**size))


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_half_precision_is_added_up_in_float32(dtype):
    assert_equal_the_plain_ones(problem(9, 13, 11, 9, t=1, dtype=dtype, masks=True))


@pytest.mark.parametrize("gradient", ["sampled", "exact"])
@pytest.mark.parametrize("wide", ["query", "key", "value"])
def test_dtypes_may_differ(wide, gradient):
    """As they do under autocast."""
    values = problem(5, 7, t=1, dtype=torch.bfloat16)
    values[wide] = values[wide].float()
    found = assert_equal_the_plain_ones(values, gradient=gradient)
    assert all(found[name].dtype == values[name].dtype for name in ("query", "key", "value"))
    assert found["out"].dtype == values["value"].dtype


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_by_the_probabilities_equal_the_plain_ones(dtype):
    assert_equal_the_plain_ones(problem(37, 19, 11, 9, t=3, dtype=dtype, masks=True), gradient="exact")


def test_added_with_atomics_they_are_the_same_up_to_rounding():
    assert_equal_the_plain_ones(problem(9, 37, 11, 9, m=3, t=2, masks=True), deterministic=False)


@pytest.mark.parametrize("deterministic", [True, False], ids=["sorted", "atomics"])
def test_one_bucket_may_hold_everything(deterministic):
    values = problem(5, 71, t=1)
    values["query_codes"].zero_()
    values["key_codes"].zero_()
    found = assert_equal_the_plain_ones(values, deterministic=deterministic)
    expected = values["value"].sum(2, keepdim=True).expand_as(found["out"])
    torch.testing.assert_close(found["out"], expected, rtol=1e-5, atol=1e-5)


def test_where_nothing_collides_value_and_gradients_are_zero():
    values = problem(5, 7, t=2)
    values["query_codes"].fill_(1)
    values["key_codes"].fill_(2)
    found = value_and_gradients(bernoulli.collision_attention, values, kernel="triton")
    for name, tensor in found.items():
        assert not tensor.any(), name


@pytest.mark.parametrize("none", ["valid", "query_valid"])
def test_where_nothing_is_valid_value_and_gradients_are_zero(none):
    values = problem(5, 7, t=1)
    values[none] = torch.zeros(1, 1, 7 if none == "valid" else 5, dtype=torch.bool, device=DEVICE)
    for name, tensor in value_and_gradients(bernoulli.collision_attention, values, kernel="triton").items():
        assert not tensor.any(), name


@pytest.mark.parametrize("gradient", ["sampled", "exact"])
def test_what_masked_keys_hold_never_shows(gradient):
    values = problem(5, 7, t=1)
    values["valid"] = (torch.arange(7) < 4).expand(1, 1, 7).to(DEVICE)
    found = []
    for content in (0.0, 1e30):
        for name in ("key", "value"):
            values[name] = values[name].masked_fill(~values["valid"][..., None], content)
        found.append(value_and_gradients(bernoulli.collision_attention, values, kernel="triton", gradient=gradient))
    for name in found[0]:
        assert torch.equal(found[0][name], found[1][name]), name


@pytest.mark.parametrize("tables", [1, 3], ids=["table-by-table", "hashes-split-unevenly"])
def test_the_portions_change_nothing(tables, monkeypatch):
    values = problem(5, 9, m=4, t=1, rows=(1, 2))
    found = value_and_gradients(bernoulli.collision_attention, values, kernel="triton")
    numbers = tables * (2 * 8 + sorting.NUMBERS_OF_SORTING * 9)
    monkeypatch.setattr(sorting, "NUMBERS_TOGETHER", numbers)
    assert len(list(sorting.portions(2, 4, 9, 16))) == {1: 8, 3: 4}[tables]
    in_portions = value_and_gradients(bernoulli.collision_attention, values, kernel="triton")
    assert_close(in_portions, found)


@pytest.mark.parametrize("deterministic", [True, False], ids=["hash-by-hash", "atomics"])
def test_large_buckets_are_met_as_matrices(deterministic, monkeypatch):
    """Large ones first, last and between small ones, in blocks of their own and in blocks with others."""
    monkeypatch.setattr(matrices, "CHUNK", 64)
    monkeypatch.setattr(matrices, "LARGE", 64)
    values = problem(400, 330, 19, 11, m=1, t=3)
    for name, sizes in (("query_codes", (150, 20, 0, 170, 60)), ("key_codes", (140, 3, 17, 140, 30))):
        codes = torch.repeat_interleave(torch.tensor([0, 1, 3, 4, 7]), torch.tensor(sizes)).to(torch.int32)
        values[name] = codes[torch.randperm(len(codes))].view(1, 1, 1, -1).to(DEVICE)
    large = []
    monkeypatch.setattr(matrices.LargeBuckets, "__init__", _recorded(matrices.LargeBuckets.__init__, large))
    assert_equal_the_plain_ones(values, deterministic=deterministic)
    # The third and the fourth slot are those of the bucket 4, which has three chunks.
    assert [buckets.first_slots.flatten().tolist() for buckets in large] == [
        [0, 3, 3, 3, 3, 6, 6, 6, 6, 6],
        [0, 3, 3, 3, 3, 6, 6, 6, 6, 6],
    ]


def test_short_inputs_have_no_large_buckets():
    assert matrices.slots_for(matrices.LARGE, 10_000) == 0
    assert matrices.slots_for(10_000, matrices.LARGE) == 0
    assert matrices.slots_for(10_000, 5_000) == 5_000 // (matrices.LARGE + 1) + 5_000 // matrices.CHUNK


@pytest.mark.parametrize("together", [1, 2, 5], ids=["one-by-one", "two-and-one", "all-at-once"])
def test_the_hashes_that_run_at_once_change_nothing(together, monkeypatch):
    values = problem(5, 5, m=3, t=1, masks=True)
    monkeypatch.setattr(pairs, "NUMBERS_OF_SUMS", together * 5 * 8)
    assert_equal_the_plain_ones(values)


@pytest.mark.parametrize("empty", ["keys", "queries"])
def test_there_may_be_no_tokens(empty):
    values = problem(3, 3)
    names = ("key", "value") if empty == "keys" else ("query",)
    values.update({name: values[name][:, :, :0] for name in names})
    codes = "key_codes" if empty == "keys" else "query_codes"
    values[codes] = values[codes][..., :0]
    for gradient in ("sampled", "exact"):
        found = value_and_gradients(bernoulli.collision_attention, values, kernel="triton", gradient=gradient)
        for name, tensor in found.items():
            assert not tensor.any(), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_expectation_and_its_gradients_equal_the_plain_ones(dtype):
    values = problem(37, 19, 11, 9, t=3, dtype=dtype, masks=True)
    values.pop("query_codes")
    values.pop("key_codes")
    found = value_and_gradients(bernoulli.expected_attention, values, kernel="triton")
    assert_close(found, value_and_gradients(plain.expected_attention, values, wide=True))


@pytest.mark.parametrize("code_length", [1, 9, 16])
def test_equal_and_opposite_vectors_have_the_probabilities_one_and_zero(code_length):
    query = plain.unit_length(torch.randn(1, 1, 6, 8, device=DEVICE))
    value = torch.ones(1, 1, 1, 8, device=DEVICE)
    for at in range(6):
        key = query[:, :, at : at + 1]
        for sign in (1, -1):
            found = bernoulli.expected_attention(query, sign * key, value, code_length, kernel="triton")
            expected = plain.expected_attention(query.double(), sign * key.double(), value.double(), code_length)
            assert bool(found.isfinite().all())
            # arccos is steep there: one rounding of the cosine, 6e-8, is an angle of 3.5e-4.
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-4 * code_length)
