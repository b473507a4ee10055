"""Maxout attention in Triton, in its interpreter: values and every gradient against the plain twin."""

import pytest
import torch
from torch import Tensor

from sampleformer.bench.memory import peak_bytes
from sampleformer.functional import scored
from sampleformer.functional.probabilities import PROBABILITIES
from sampleformer.kernels import maxout, scored_attention
from tests.kernels.compiling import compiled

pytest.importorskip("triton", reason="Triton is not installed")
maxout_launch_triton = pytest.importorskip("sampleformer.kernels.maxout_launch_triton")

NAMES = ("query", "key", "value", "leak", "multiplicative", "additive")
# Where there is a GPU nothing is interpreted, and sums are taken in another order than on a CPU.
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCES = {torch.float32: 2e-6 if DEVICE == "cpu" else 1e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}


class Pairs:
    """Inputs of an attention: queries and keys of few different numbers, so that many are equal."""

    def __init__(
        self, *sizes: int, dtype=torch.float32, probability="leaky_relu", terms=False, masked=False, shift=0.0
    ):
        batch, heads, n, k, e, c = sizes
        drawn = {
            "query": (torch.randn(batch, heads, n, e) * 2).round() / 2 + shift,
            "key": (torch.randn(batch, heads, k, e) * 2).round() / 2 + shift,
            "value": torch.randn(batch, heads, k, c),
        }
        if PROBABILITIES[probability].leaks:
            drawn["leak"] = torch.randn(batch, heads, k)
        if terms:
            drawn |= {name: torch.randn(batch, heads, n, k) for name in NAMES[4:]}
        self.inputs = {name: tensor.to(DEVICE, dtype).requires_grad_() for name, tensor in drawn.items()}
        self.valid = None
        if masked:
            self.valid = torch.rand(batch, heads if masked == "heads" else 1, k) > 0.3
            self.valid[0] = False
            self.valid = self.valid.to(DEVICE)
        self.probability = probability
        self.gradient = torch.randn(batch, heads, n, c).to(DEVICE, dtype)

    def mixed(self, attention, **options) -> Tensor:
        given = self.inputs
        terms = (given["multiplicative"], given["additive"]) if "additive" in given else None
        inputs = (given["query"], given["key"], given["value"], self.valid)
        return attention(*inputs, leak=given.get("leak"), terms=terms, probability=self.probability, **options)

    def value_and_gradients(self, attention, **options) -> dict[str, Tensor]:
        result = self.mixed(attention, **options)
        gradients = torch.autograd.grad(result, list(self.inputs.values()), self.gradient)
        return {"value": result.detach(), **{f"of {n}": g for n, g in zip(self.inputs, gradients, strict=True)}}

    def check(self) -> None:
        found = self.value_and_gradients(scored_attention, kernel="triton")
        expected = self.value_and_gradients(scored.scored_attention)
        for name, twin in expected.items():
            assert found[name].dtype == twin.dtype
            assert found[name].isfinite().all(), name
            # Halves are rounded, on both sides, by their largest numbers.
            largest = max([1.0, *twin.double().abs().flatten().tolist()])
            torch.testing.assert_close(found[name], twin, rtol=0, atol=TOLERANCES[twin.dtype] * largest)


@pytest.mark.parametrize("terms", [False, True], ids=["alone", "terms"])
@pytest.mark.parametrize("probability", PROBABILITIES)
def test_value_and_every_gradient_equal_the_twins(probability, terms):
    Pairs(2, 2, 19, 35, 9, 11, probability=probability, terms=terms, masked=True).check()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_halves(dtype):
    Pairs(1, 2, 5, 18, 8, 8, dtype=dtype, terms=True).check()


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1, 8, 128), (1, 1, 130, 3, 8, 8), (1, 1, 3, 130, 10, 17), (1, 2, 40, 130, 8, 8)], ids=str
)  # fmt: skip
def test_odd_sizes_and_several_blocks(sizes):
    Pairs(*sizes).check()


def test_a_mask_of_each_head():
    Pairs(2, 2, 3, 5, 8, 8, masked="heads").check()


def test_queries_that_attend_to_nothing():
    pairs = Pairs(1, 1, 4, 6, 8, 8, shift=-9.0)
    found = pairs.value_and_gradients(scored_attention, kernel="triton")
    assert all(not tensor.any() for tensor in found.values())


def test_masked_slots_may_hold_anything():
    pairs = Pairs(2, 1, 3, 5, 8, 8, terms=True, masked=True)
    with torch.no_grad():
        expected = pairs.mixed(scored_attention, kernel="triton")
        for name in ("key", "value"):
            pairs.inputs[name].masked_fill_(~pairs.valid[..., None], torch.nan)
        pairs.inputs["leak"].masked_fill_(~pairs.valid, torch.nan)
        assert torch.equal(pairs.mixed(scored_attention, kernel="triton"), expected)


def test_what_is_no_number_is_not_hidden():
    pairs = Pairs(1, 1, 2, 3, 8, 8)
    with torch.no_grad():
        pairs.inputs["query"][0, 0, 1, 2] = torch.nan
        found = pairs.mixed(scored_attention, kernel="triton")
    assert found[0, 0, 0].isfinite().all()
    assert found[0, 0, 1].isnan().all()


@pytest.mark.parametrize("sizes", [(1, 2, 0, 3, 8, 8), (1, 2, 3, 0, 8, 8), (0, 2, 3, 3, 8, 8)], ids=str)
def test_nothing_at_all(sizes):
    Pairs(*sizes, terms=True).check()


def test_views_with_strides_of_their_own():
    pairs = Pairs(1, 2, 4, 5, 8, 8)
    for name in ("query", "key", "value"):
        strided = pairs.inputs[name].detach().transpose(1, 2).contiguous().transpose(1, 2)
        assert not strided.is_contiguous()
        pairs.inputs[name] = strided.requires_grad_()
    pairs.check()


def test_shares_of_the_queries_are_added_up():
    assert maxout_launch_triton._shares(50, 1) == (4, 16)
    Pairs(1, 1, 50, 3, 8, 8).check()


def test_no_tensor_of_all_pairs_is_made(monkeypatch):
    # Shares of the sums over queries take memory too, but their number has a bound.
    monkeypatch.setattr(maxout_launch_triton, "PROGRAMS", 2)
    n = 256
    pairs = Pairs(1, 1, n, n, 8, 8)
    peak = peak_bytes(lambda: pairs.value_and_gradients(scored_attention, kernel="triton"), DEVICE)
    plain = peak_bytes(lambda: pairs.value_and_gradients(scored.scored_attention), DEVICE)
    assert peak < 4 * n * n < plain


def test_twice_the_same_bits():
    pairs = Pairs(1, 2, 40, 5, 8, 8)
    once, again = (pairs.value_and_gradients(scored_attention, kernel="triton") for _ in range(2))
    for name, tensor in once.items():
        assert torch.equal(tensor, again[name]), name


@pytest.mark.parametrize("terms", [False, True], ids=["alone", "terms"])
def test_operators_keep_what_the_compiler_is_told(terms):
    pairs = Pairs(1, 1, 3, 4, 8, 8, terms=terms, masked=True)
    given = pairs.inputs
    escape = torch.randn(1, 1, device=DEVICE, requires_grad=True)
    both = (given.get("multiplicative"), given.get("additive"))
    arguments = (given["query"], given["key"], given["value"], pairs.valid, escape, *both, True)
    torch.library.opcheck(torch.ops.sampleformer.maxout_attention.default, arguments)
    plain = [argument.detach() if isinstance(argument, Tensor) else argument for argument in arguments]
    outputs = torch.ops.sampleformer.maxout_attention(*plain)
    backward = torch.ops.sampleformer.maxout_attention_backward.default
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(backward, (*plain, *outputs, pairs.gradient), test_utils=tests)


def test_compiled_it_is_one_operator(fresh_compiler):
    pairs = Pairs(1, 1, 3, 4, 8, 8)
    function = torch.compile(scored_attention, fullgraph=True, backend="aot_eager")
    found = pairs.value_and_gradients(function, kernel="triton")
    for name, expected in pairs.value_and_gradients(scored_attention, kernel="triton").items():
        assert torch.equal(found[name], expected), name


@pytest.mark.skipif(DEVICE == "cuda", reason="there the kernel runs")
def test_auto_is_the_plain_twin_on_cpus():
    pairs = Pairs(1, 1, 3, 4, 8, 8)
    assert torch.equal(pairs.mixed(scored_attention), pairs.mixed(scored.scored_attention))


@pytest.mark.parametrize(
    ("sizes", "options", "reason"),
    [
        ((1, 1, 3, 4, 5, 8), {}, "the head width is 5, expected 8 to 128"),
        ((1, 1, 3, 4, 8, 130), {}, "the head width is 130"),
        ((1, 1, 3, 4, 8, 8), {"presence": torch.ones(1, 1, 4, device=DEVICE)}, "keys count more or less than once"),
        ((1, 1, 3, 4, 8, 8), {"score": "scaled_dot"}, "the score is 'scaled_dot', expected 'maxout'"),
    ],
)
def test_what_it_cannot_is_refused_where_it_was_named(sizes, options, reason):
    pairs = Pairs(*sizes)
    with pytest.raises(ValueError, match=f"kernel is 'triton', which cannot run: {reason}"):
        pairs.mixed(scored_attention, kernel="triton", **options)
    assert pairs.mixed(scored_attention, **options).isfinite().all()


def test_double_precision_is_refused():
    with pytest.raises(ValueError, match="the dtype is float64, expected float32, bfloat16, float16"):
        Pairs(1, 1, 3, 4, 8, 8, dtype=torch.float64).mixed(scored_attention, kernel="triton")


def test_a_leak_is_needed():
    pairs = Pairs(1, 1, 3, 4, 8, 8)
    del pairs.inputs["leak"]
    with pytest.raises(ValueError, match="leak is None, expected one logit for each slot"):
        pairs.mixed(scored_attention, kernel="triton")


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU: too much for the interpreter, which runs the same code")
@pytest.mark.parametrize("terms", [False, True], ids=["alone", "terms"])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("width", [8, 33, 64, 128])
def test_long_inputs(width, dtype, terms):
    Pairs(2, 3, 1100, 300, width, width, dtype=dtype, terms=terms, masked=True).check()


def jobs(related: bool, dtype: str = "bf16", width: int = 64):
    halves = f"*{dtype}"
    types = dict.fromkeys(("query", "key", "statistic", "escape", "gradient_by_channel", "inner"), "*fp32")
    types |= dict.fromkeys(("of_query", "of_key", "of_value"), "*fp32")
    types |= dict.fromkeys(("value", "result", "gradient", "of_multiplicative", "of_additive"), halves)
    types |= {"multiplicative": halves, "additive": halves, "valid": "*u8", "factor": "fp32", "share": "i32!"}
    types |= {"length": "i32", "keys": "i32!", "length_padded": "i32!", "keys_padded": "i32!"}
    constants = {"E": width, "TOGETHER": 8, "C": width, "VALUES_TOGETHER": 8, "WIDTH": width, "RELU": True}
    constants |= {"PRECISION": "tf32x3", "WIDEN": False, "ROWS": 16, "COLUMNS": 128}
    if not related:
        constants |= dict.fromkeys(("multiplicative", "additive", "of_multiplicative", "of_additive"))
    for module, kernel in (("maxout_triton", "forward"), ("maxout_backward_triton", "backward_queries"),
                           ("maxout_backward_triton", "backward_keys")):  # fmt: skip
        backward = {"value": "*fp32"} if kernel != "forward" else {}
        names = {"module": f"sampleformer.kernels.{module}", "kernel": kernel}
        yield names | {"types": types | backward, "constants": constants}


@pytest.mark.slow
@pytest.mark.parametrize("related", [False, True], ids=["alone", "terms"])
def test_it_compiles_for_an_h100_and_what_is_summed_stays_in_its_thread(related):
    forward, of_queries, of_keys = compiled(*jobs(related))
    assert forward["maxima"] >= 16 * 8
    assert forward["matrix"] > 0
    assert forward["shuffles"] == of_keys["shuffles"] == 0
    # Those of the inner product with the result, once a block of queries.
    assert of_queries["shuffles"] <= 32
    assert max(found["barriers"] for found in (forward, of_queries, of_keys)) <= 20


def test_reasons_are_those_of_the_twin(monkeypatch):
    monkeypatch.setattr(maxout, "unavailable", lambda *tensors, widths: "the moon is full")
    with pytest.raises(ValueError, match="the moon is full"):
        Pairs(1, 1, 3, 4, 8, 8).mixed(scored_attention, kernel="triton")
