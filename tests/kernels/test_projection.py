"""The kernel that projects what was chosen against its plain twin: values and every gradient."""

from functools import partial

import pytest
import torch
from torch import Tensor

from sampleformer.functional import gathering
from sampleformer.functional.norms import rms_norm
from sampleformer.kernels import projection
from sampleformer.kernels.projection import project_chosen

pytest.importorskip("triton", reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = ("features", "weight", "bias", "scale")
# b, n, g, m, d, c: tiny; several blocks of everything; more chosen than there are tokens.
SIZES = [(1, 1, 1, 1, 3, 2), (2, 9, 3, 5, 7, 5), (1, 150, 2, 67, 70, 66), (2, 20, 1, 45, 24, 80)]
# Of the largest number, as in the test of the choice.
TOLERANCES = {torch.float32: 3e-6 if DEVICE == "cpu" else 2e-5, torch.float16: 6e-3, torch.bfloat16: 5e-2}


def problem(b: int, n: int, g: int, m: int, d: int, c: int) -> tuple[dict[str, Tensor], Tensor]:
    """What is projected, in float64, and indices of which some come up several times in one group."""
    values = {
        "features": torch.randn(b, n, d).double(),
        "weight": torch.randn(g, c, d).double() / d**0.5,
        "bias": torch.randn(g, c).double(),
        "scale": torch.rand(d).double() + 0.5,
    }
    return values, torch.randint(0, n, (b, g, m))


def run(values, indices, upstream, dtype, *, normed: bool, biased: bool = True, **kernel) -> dict[str, Tensor]:
    leaves = {name: tensor.to(DEVICE, dtype).requires_grad_() for name, tensor in values.items()}
    bias = leaves["bias"] if biased else None
    if kernel:
        scale = leaves["scale"] if normed else None
        out = project_chosen(leaves["features"], indices.to(DEVICE), leaves["weight"], bias, scale, 1e-5, **kernel)
    else:
        norm = partial(rms_norm, weight=leaves["scale"], epsilon=1e-5) if normed else None
        out = gathering.project_chosen(leaves["features"], indices.to(DEVICE), leaves["weight"], bias, norm)
    gradients = torch.autograd.grad(out, list(leaves.values()), upstream.to(DEVICE, dtype), allow_unused=True)
    found = {"value": out.detach().cpu()}
    for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True):
        assert (gradient is None) == ((name == "scale" and not normed) or (name == "bias" and not biased))
        found[name] = torch.zeros_like(leaf).cpu() if gradient is None else gradient.cpu()
    return found


def check(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    for name, wanted in expected.items():
        torch.testing.assert_close(
            found[name].double(),
            wanted.double(),
            rtol=0,
            atol=tolerance * max(1.0, float(wanted.abs().max())),
            msg=lambda message, name=name: f"{name}: {message}",
        )


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_value_and_every_gradient_equal_the_twins(sizes, biased, normed):
    values, indices = problem(*sizes)
    upstream = torch.randn(*indices.shape, sizes[-1]).double()
    expected = run(values, indices, upstream, torch.float64, normed=normed, biased=biased)
    found = run(values, indices, upstream, torch.float32, normed=normed, biased=biased, kernel="triton")
    check(found, expected, TOLERANCES[torch.float32])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normed", [False, True])
def test_half_precision_is_summed_up_in_float32(normed, dtype):
    values, indices = problem(2, 40, 2, 21, 34, 19)
    values = {name: tensor.to(dtype).double() for name, tensor in values.items()}
    upstream = torch.randn(*indices.shape, 19).to(dtype).double()
    expected = run(values, indices, upstream, torch.float64, normed=normed)
    check(run(values, indices, upstream, dtype, normed=normed, kernel="triton"), expected, TOLERANCES[dtype])


def test_under_autocast_the_products_are_narrow_and_the_tokens_are_not():
    values, indices = problem(1, 9, 2, 4, 8, 6)
    leaves = {name: tensor.float().to(DEVICE).requires_grad_() for name, tensor in values.items()}
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = project_chosen(leaves["features"], indices.to(DEVICE), *list(leaves.values())[1:], kernel="triton")
        norm = partial(rms_norm, weight=leaves["scale"])
        twin = gathering.project_chosen(leaves["features"], indices.to(DEVICE), leaves["weight"], leaves["bias"], norm)
    assert found.dtype == twin.dtype == torch.bfloat16
    torch.testing.assert_close(found, twin, rtol=0.05, atol=0.05)
    gradients = torch.autograd.grad(found.float().square().sum(), list(leaves.values()))
    assert all(gradient.dtype == torch.float32 for gradient in gradients)


def test_tokens_that_nobody_chose_have_no_gradient():
    values, _ = problem(1, 40, 2, 3, 8, 6)
    indices = torch.tensor([[[3, 3, 39], [0, 3, 20]]])
    found = run(values, indices, torch.randn(1, 2, 3, 6), torch.float32, normed=True, kernel="triton")
    chosen = sorted({int(index) for index in found["features"][0].abs().sum(-1).nonzero()})
    assert chosen == [0, 3, 20, 39]


def test_the_sums_over_the_weight_are_the_same_in_any_number_of_parts():
    values, indices = problem(4, 30, 1, 150, 9, 5)
    upstream = torch.randn(4, 1, 150, 5).double()
    expected = run(values, indices, upstream, torch.float64, normed=False)
    found = run(values, indices, upstream, torch.float32, normed=False, kernel="triton")
    check(found, expected, TOLERANCES[torch.float32])


def test_nothing_chosen_is_nothing_projected():
    values, indices = problem(2, 5, 3, 0, 7, 4)
    found = project_chosen(values["features"].float(), indices, values["weight"].float(), kernel="triton")
    assert found.shape == (2, 3, 0, 4)


def test_what_the_kernel_does_not_take_is_named(monkeypatch):
    values, indices = problem(1, 5, 1, 2, 7, 4)
    with pytest.raises(ValueError, match="kernel is 'triton', which cannot run: the dtype is float64"):
        project_chosen(values["features"], indices, values["weight"], kernel="triton")
    monkeypatch.setattr(projection, "WIDEST", 6)
    with pytest.raises(ValueError, match="the width is 7, expected at most 6"):
        project_chosen(values["features"].float(), indices, values["weight"].float(), kernel="triton")
    twin = gathering.project_chosen(values["features"], indices, values["weight"])
    assert torch.equal(project_chosen(values["features"], indices, values["weight"]), twin)


@pytest.mark.parametrize("epsilon", [None, 1e-6])
def test_the_operators_are_sound(epsilon):
    values, indices = problem(2, 9, 3, 5, 7, 4)
    features, weight, bias, _ = (tensor.float().to(DEVICE).requires_grad_() for tensor in values.values())
    indices = indices.to(DEVICE)
    operators = torch.ops.sampleformer
    for given in (bias, None):
        torch.library.opcheck(operators.project_chosen, (features, indices, weight, given, epsilon))
    gradient = torch.randn(2, 3, 5, 4, device=DEVICE)
    given = (gradient, features.detach(), indices, weight.detach(), epsilon)
    torch.library.opcheck(operators.project_chosen_backward, given, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: sizes of a real layer, and that runs agree")
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_sizes_of_a_layer_on_a_gpu(dtype):
    values, indices = problem(2, 16_384, 8, 512, 512, 128)
    values = {name: tensor.to(dtype).double() for name, tensor in values.items()}
    upstream = torch.randn(2, 8, 512, 128).to(dtype).double()
    found = [run(values, indices, upstream, dtype, normed=True, kernel="triton") for _ in range(3)]
    check(found[0], run(values, indices, upstream, torch.float64, normed=True), TOLERANCES[dtype])
    assert all(torch.equal(again[key], found[0][key]) for again in found for key in again)
