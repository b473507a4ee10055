"""The kernels of the soft and the hard choice against their plain twins: values and every gradient."""

import pytest
import torch
from torch import Tensor

from sampleformer.functional import pulls as plain_pulls
from sampleformer.functional import sampling as plain
from sampleformer.kernels import choice

pytest.importorskip("triton", reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CHOICES = {"soft": (choice.choose_soft, plain.choose_soft), "hard": (choice.choose_hard, plain.choose_hard)}
NAMES = ("top", "rest", "top_scores", "rest_scores", "temperature")
# More than one block of slots, of the other side's and of the numbers they hold; some of rest missing.
SIZES = [(1, 1, 3), (67, 35, 9), (3, 4, 130)]
VALIDITY = ["all", "some of rest", "some of both", "none"]
# Of the largest number. What is read is rounded once, what is summed up is not; Triton's interpreter cuts off where a
# GPU rounds, and a GPU's tensor cores cut off what they add up.
TOLERANCES = {torch.float32: 3e-6 if DEVICE == "cpu" else 2e-5, torch.float16: 6e-3, torch.bfloat16: 5e-2}


def problem(
    k: int, r: int, width: int, validity: str = "all", rows: tuple[int, int] = (1, 2)
) -> dict[str, Tensor | None]:
    """In float64; the temperature is one for each group, as a sampler has it."""
    top_valid = rest_valid = None
    if validity != "all":
        rest_valid = torch.rand(*rows, r) < (0.0 if validity == "none" else 0.6)
    if validity in ("some of both", "none"):
        top_valid = torch.rand(*rows, k) < (0.0 if validity == "none" else 0.7)
    top_scores, rest_scores = torch.randn(*rows, k).double() + 0.5, torch.randn(*rows, r).double()
    # As a sampler leaves them: what is masked has a score of minus infinity.
    return {
        "top": torch.randn(*rows, k, width).double(),
        "rest": torch.randn(*rows, r, width).double(),
        "top_scores": top_scores if top_valid is None else top_scores.masked_fill(~top_valid, -torch.inf),
        "rest_scores": rest_scores if rest_valid is None else rest_scores.masked_fill(~rest_valid, -torch.inf),
        "temperature": torch.linspace(0.5, 2.0, rows[1]).double(),
        "top_valid": top_valid,
        "rest_valid": rest_valid,
    }


def run(choose, values: dict[str, Tensor | None], upstream: Tensor, dtype: torch.dtype, **kernel) -> dict[str, Tensor]:
    wide = torch.promote_types(dtype, torch.float32)
    given = {name: None if tensor is None else tensor.to(DEVICE) for name, tensor in values.items()}
    leaves = {
        name: given[name].to(wide if "score" in name or name == "temperature" else dtype).requires_grad_()
        for name in NAMES
    }
    out = choose(**{**given, **leaves}, **kernel)
    gradients = torch.autograd.grad(out, list(leaves.values()), upstream.to(DEVICE, dtype), allow_unused=True)
    found = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }
    assert all(gradient.dtype == leaves[name].dtype for name, gradient in found.items())
    return {"value": out.detach().cpu(), **{name: gradient.cpu() for name, gradient in found.items()}}


def check(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    for name, wanted in expected.items():
        largest = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        torch.testing.assert_close(
            found[name].double(),
            wanted.double(),
            rtol=0,
            atol=tolerance * largest,
            msg=lambda message, name=name: f"{name}: {message}",
        )


@pytest.mark.parametrize("validity", VALIDITY)
@pytest.mark.parametrize(("k", "r", "width"), SIZES)
@pytest.mark.parametrize("name", CHOICES)
def test_value_and_every_gradient_equal_the_twins(name, k, r, width, validity):
    values = problem(k, r, width, validity)
    upstream = torch.randn_like(values["top"])
    kernel, twin = CHOICES[name]
    expected = run(twin, values, upstream, torch.float64)
    check(run(kernel, values, upstream, torch.float32, kernel="triton"), expected, TOLERANCES[torch.float32])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CHOICES)
def test_half_precision_is_summed_up_in_float32(name, dtype):
    values = problem(40, 37, 19, "some of both")
    for side in ("top", "rest"):
        values[side] = values[side].to(dtype).double()
    upstream = torch.randn_like(values["top"]).to(dtype).double()
    kernel, twin = CHOICES[name]
    expected = run(twin, values, upstream, torch.float64)
    check(run(kernel, values, upstream, dtype, kernel="triton"), expected, TOLERANCES[dtype])


@pytest.mark.parametrize("validity", VALIDITY)
def test_pulls_equal_the_twins(validity):
    values = problem(35, 34, 11, validity)
    scores = [torch.randn(1, 2, count) for count in (35, 34)]
    vectors = [torch.randn(1, 2, 35, 11), values["top"].float(), values["rest"].float()]
    valid = [values["top_valid"], values["rest_valid"]]
    on_device = [None if tensor is None else tensor.to(DEVICE) for tensor in (*vectors, *scores, *valid)]
    found = choice.pulls(*on_device, kernel="triton")
    wide = [tensor.double() for tensor in (*vectors, *scores)]
    for one, other in zip(found, plain_pulls.pulls(*wide, *valid), strict=True):
        torch.testing.assert_close(one.cpu().double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CHOICES)
def test_what_a_missing_token_holds_changes_nothing(name):
    values = problem(6, 5, 8, "some of both")
    upstream = torch.randn_like(values["top"])
    kernel = CHOICES[name][0]
    found = []
    for garbage in (0.0, 1e30):
        values["rest"] = values["rest"].masked_fill(~values["rest_valid"][..., None], garbage)
        found.append(run(kernel, values, upstream, torch.float32, kernel="triton"))
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


@pytest.mark.parametrize("name", CHOICES)
def test_a_small_temperature_and_far_scores_give_no_nan(name):
    values = problem(3, 3, 8)
    values["temperature"] = torch.full((2,), 1e-3).double()
    values["top_scores"], values["rest_scores"] = values["top_scores"] * 1e3, values["rest_scores"] * 1e3
    upstream = torch.randn_like(values["top"])
    found = run(CHOICES[name][0], values, upstream, torch.float32, kernel="triton")
    assert all(bool(tensor.isfinite().all()) for tensor in found.values())
    check(found, run(CHOICES[name][1], values, upstream, torch.float64), TOLERANCES[torch.float32])


@pytest.mark.parametrize("name", CHOICES)
def test_columns_of_pairs_and_parts_of_candidates_are_read_where_they_lie(name):
    values = problem(5, 4, 7)
    upstream = torch.randn_like(values["top"])
    expected = run(CHOICES[name][1], values, upstream, torch.float64)
    both = torch.cat([values["top"], values["rest"]], -2).float().to(DEVICE)
    for candidates in (both, both.mT.contiguous().mT):
        given = {key: None if tensor is None else tensor.float().to(DEVICE) for key, tensor in values.items()}
        given["top"], given["rest"] = candidates[..., :5, :], candidates[..., 5:, :]
        found = CHOICES[name][0](**given, kernel="triton")
        torch.testing.assert_close(found.cpu().double(), expected["value"], rtol=0, atol=TOLERANCES[torch.float32])


@pytest.mark.parametrize("name", CHOICES)
def test_without_rest_the_top_stays_as_it_is(name):
    values = problem(4, 0, 5)
    upstream = torch.randn_like(values["top"])
    found = run(CHOICES[name][0], values, upstream, torch.float32, kernel="triton")
    assert torch.equal(found["value"], values["top"].float())


@pytest.mark.parametrize("name", CHOICES)
def test_double_precision_is_refused_and_auto_takes_the_twin(name):
    values = problem(3, 3, 5)
    kernel, twin = CHOICES[name]
    with pytest.raises(ValueError, match="kernel is 'triton', which cannot run: the dtype is float64"):
        kernel(**values, kernel="triton")
    assert torch.equal(kernel(**values), twin(**values))


@pytest.mark.parametrize("validity", ["all", "some of both"])
def test_the_operators_are_sound(validity):
    given = []
    for name, tensor in problem(4, 3, 5, validity).items():
        if name == "temperature":
            tensor = tensor.expand(1, 2)
        if tensor is not None:
            tensor = tensor.flatten(0, 1)
            tensor = tensor.to(DEVICE) if tensor.dtype == torch.bool else tensor.float().to(DEVICE).requires_grad_()
        given.append(tensor)
    gradient = torch.randn_like(given[0])
    operators = torch.ops.sampleformer
    for operator in (operators.choose_soft, operators.choose_hard):
        torch.library.opcheck(operator, tuple(given))
    given = [None if tensor is None else tensor.detach() for tensor in given]
    for operator in (operators.choose_soft_backward, operators.choose_hard_backward, operators.pulls):
        torch.library.opcheck(operator, (gradient, *given), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: sizes of a real layer, and that runs agree")
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", CHOICES)
def test_the_sizes_of_a_layer_on_a_gpu(name, dtype):
    values = problem(512, 512, 128, "some of both", rows=(4, 8))
    for side in ("top", "rest"):
        values[side] = values[side].to(dtype).double()
    upstream = torch.randn_like(values["top"]).to(dtype).double()
    kernel, twin = CHOICES[name]
    found = [run(kernel, values, upstream, dtype, kernel="triton") for _ in range(3)]
    check(found[0], run(twin, values, upstream, torch.float64), TOLERANCES[dtype])
    assert all(torch.equal(again[key], found[0][key]) for again in found for key in again)
