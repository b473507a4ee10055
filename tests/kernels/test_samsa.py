"""SAMSA with its kernels against SAMSA without: values, every gradient, what is refused."""

import pytest
import torch
from torch import Tensor

from sampleformer import Tokens
from sampleformer.attention import SamsaAttention
from sampleformer.norms import LayerNorm, RMSNorm

pytest.importorskip("triton", reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WIDTH, HEADS = 12, 3


def made(kernel: str, **given) -> SamsaAttention:
    torch.manual_seed(0)
    return SamsaAttention(WIDTH, HEADS, **{"sampled": 4, "learned_temperature": True, **given}, kernel=kernel).to(
        DEVICE
    )


def tokens(masked: bool) -> Tokens:
    mask = torch.ones(2, 11, dtype=torch.bool)
    if masked:
        mask[0, 5:] = False
        mask[1] = False
    return Tokens(torch.randn(2, 11, WIDTH), mask if masked else None)


def run(attention: SamsaAttention, given: Tokens) -> dict[str, Tensor]:
    features = given.features.to(DEVICE).requires_grad_()
    given = Tokens(features, None if given.mask is None else given.mask.to(DEVICE))
    noise = attention.draw_noise(given, generator=torch.Generator(DEVICE).manual_seed(1))
    out, selection = attention(given, noise=noise, return_selection=True)
    leaves = {"features": features, **dict(attention.named_parameters())}
    weight = torch.linspace(-1, 1, out.numel(), device=DEVICE).view_as(out)
    gradients = torch.autograd.grad(out, list(leaves.values()), weight, allow_unused=True)
    found = {name: gradient for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None}
    # Which of the masked tokens fill the places that are left over is open.
    chosen = selection.indices.where(selection.valid, -1)
    return {"value": out.detach(), "chosen": chosen, **found}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("choice", "norm"),
    [("hard", None), ("hard", RMSNorm), ("hard", LayerNorm), ("soft", RMSNorm), ("gated", None), ("simple", RMSNorm)],
)
def test_training_with_and_without_kernels_is_the_same(choice, norm, masked):
    given = tokens(masked)
    plain, kernel = (
        run(made(name, choice=choice, norm=None if norm is None else norm(WIDTH)), given)
        for name in ("plain", "triton")
    )
    assert plain.keys() == kernel.keys()
    for name in plain:
        torch.testing.assert_close(
            kernel[name], plain[name], rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("given", [{"groups": 1}, {"extra": 2}, {"sampled": 20}, {"bias": False}], ids=str)
def test_every_form_is_the_same(given):
    where = tokens(masked=True)
    plain, kernel = (run(made(name, **given), where) for name in ("plain", "triton"))
    for name in plain:
        torch.testing.assert_close(
            kernel[name], plain[name], rtol=1e-4, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_evaluation_is_the_same():
    given = tokens(masked=True)
    given = Tokens(given.features.to(DEVICE), given.mask.to(DEVICE))
    with torch.no_grad():
        plain, kernel = (made(name).eval()(given) for name in ("plain", "triton"))
    torch.testing.assert_close(kernel, plain, rtol=1e-5, atol=1e-6)


def test_a_compiled_program_has_the_kernels_as_operators(fresh_compiler):
    given = tokens(masked=True)
    given = Tokens(given.features.to(DEVICE), given.mask.to(DEVICE))
    attention = made("triton", norm=RMSNorm(WIDTH))
    noise = attention.draw_noise(given)
    compiled = torch.compile(attention, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(given, noise=noise), attention(given, noise=noise), rtol=1e-5, atol=1e-6)


def test_an_unknown_kernel_is_refused_when_the_attention_is_made():
    with pytest.raises(ValueError, match="kernel is 'tritn'; did you mean 'triton'"):
        SamsaAttention(WIDTH, HEADS, kernel="tritn")


def test_a_kernel_that_cannot_run_is_refused_with_the_reason(monkeypatch):
    attention = made("triton").cpu()
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(ValueError, match="kernel is 'triton', which cannot run: the tensors are on cpu, expected cuda"):
        attention(tokens(masked=False))
