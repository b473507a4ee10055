"""Which form of YOSO runs: what is refused, what falls back; the layer; compilers."""

import sys

import pytest
import torch

from sampleformer.attention import YosoAttention
from sampleformer.functional import bernoulli as plain
from sampleformer.kernels import bernoulli
from sampleformer.kernels.bernoulli import sums
from sampleformer.tokens import Tokens
from tests.kernels.bernoulli_problems import DEVICE, assert_close, problem, value_and_gradients

pytest.importorskip("triton", reason="Triton is not installed")

LAYERS = {
    "gaussian": {"hashing": "gaussian"},
    "hadamard": {"hashing": "hadamard"},
    "exact": {"gradient": "exact"},
    "atomics": {"deterministic": False, "convolution": 3},
    "expectation": {"hashes": None},
}


def layer(**arguments: object) -> YosoAttention:
    torch.manual_seed(1)
    return YosoAttention(16, 2, **{"hashes": 2, "code_length": 1, **arguments}).to(DEVICE)


def tokens() -> Tokens:
    torch.manual_seed(2)
    mask = torch.arange(6) < torch.tensor([6, 4])[:, None]
    return Tokens(torch.randn(2, 6, 16), mask).to(DEVICE)


@pytest.mark.parametrize("arguments", LAYERS.values(), ids=LAYERS)
def test_the_layer_is_the_same_in_both_forms(arguments):
    found = {}
    for kernel in ("plain", "triton"):
        attention, given = layer(kernel=kernel, **arguments).train(), tokens()
        noise = attention.draw_noise(given, generator=torch.Generator(DEVICE).manual_seed(3))
        features = given.features.requires_grad_()
        out = attention(given.with_features(features), noise=noise)
        trained = [features, *attention.parameters()]
        gradients = torch.autograd.grad(out.square().sum() + out.sum(), trained)
        found[kernel] = {str(i): tensor.detach().double() for i, tensor in enumerate((out, *gradients))}
    # Unit length divides by what may be small.
    assert_close(found["triton"], found["plain"], tolerance=2e-5)


@pytest.mark.parametrize("arguments", [{}, {"gradient": "exact"}, {"hashes": None}], ids=str)
def test_what_padding_holds_never_shows(arguments):
    attention, given, found = layer(kernel="triton", **arguments).eval(), tokens(), []
    for content in (0.0, 1e30, float("nan")):
        features = given.features.masked_fill(~given.mask[..., None], content).requires_grad_()
        out = attention(given.with_features(features))
        found.append([out.detach(), *torch.autograd.grad(out.sum(), [features, *attention.parameters()])])
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_on_the_cpu_auto_takes_the_plain_functions(monkeypatch):
    values = {name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in problem(5, 7).items()}
    monkeypatch.setitem(sys.modules, "sampleformer.kernels.bernoulli.sums_triton", None)  # importing it would fail
    found, expected = (
        value_and_gradients(attend, values) for attend in (bernoulli.collision_attention, plain.collision_attention)
    )
    for name in found:
        assert torch.equal(found[name], expected[name]), name


def test_torch_may_insist_on_determinism(monkeypatch):
    asked, filled = [], sums._filled

    def recorded(*arguments: object) -> torch.Tensor:
        asked.append(arguments[-1])
        return filled(*arguments)

    monkeypatch.setattr(sums, "_filled", recorded)
    for insists in (False, True):
        torch.use_deterministic_algorithms(insists)
        try:
            bernoulli.collision_attention(**problem(3, 3), kernel="triton", deterministic=False)
        finally:
            torch.use_deterministic_algorithms(False)
    assert asked == [False, True]


def test_an_unknown_kernel_is_refused_at_construction():
    with pytest.raises(ValueError, match="kernel is 'tritom'; did you mean 'triton'"):
        layer(kernel="tritom")
    with pytest.raises(ValueError, match="kernel is 'cuda'"):
        bernoulli.collision_attention(**problem(3, 3), kernel="cuda")
    query = torch.zeros(1, 1, 3, 8)
    with pytest.raises(ValueError, match="kernel is 'cuda'"):
        bernoulli.expected_attention(query, query, query, 2, kernel="cuda")
    with pytest.raises(ValueError, match="kernel is 'cuda'"):
        bernoulli.hadamard_codes(query, query, plain.hadamard_signs(1, 8, 2), 1, 2, kernel="cuda")


@pytest.mark.parametrize("arguments", [{}, {"hashing": "hadamard"}, {"hashes": None}], ids=str)
def test_what_cannot_run_is_refused_with_the_reason(arguments):
    with pytest.raises(ValueError, match="kernel is 'triton', which cannot run: the dtype is float64"):
        layer(kernel="triton", **arguments).double()(tokens().with_features(torch.zeros(2, 6, 16).to(DEVICE).double()))
    narrow = YosoAttention(10, 2, kernel="triton", **arguments).to(DEVICE)
    with pytest.raises(ValueError, match="the head width is 5, expected 8 to 128"):
        narrow(Tokens(torch.zeros(1, 3, 10, device=DEVICE)))
    narrow = YosoAttention(10, 2, **arguments).to(DEVICE)
    assert narrow(Tokens(torch.zeros(1, 3, 10, device=DEVICE))).shape == (1, 3, 10)


def test_without_gpu_and_interpreter_triton_is_refused(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    attention = layer(kernel="triton").cpu()
    with pytest.raises(ValueError, match="kernel is 'triton', which cannot run: the tensors are on cpu, expected cuda"):
        attention(tokens().to("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradient": "true"}, "gradient is 'true', expected 'sampled' or 'exact'"),
        ({"code_length": 17}, "code_length is 17, expected 1 to 16"),
    ],
)
def test_both_forms_refuse_the_same(change, message):
    for kernel in ("plain", "triton"):
        with pytest.raises(ValueError, match=message):
            bernoulli.collision_attention(**{**problem(3, 3), **change}, kernel=kernel)


def operands() -> dict[str, tuple]:
    values = problem(5, 3, t=1)
    codes = values["query_codes"], values["key_codes"]
    tensors = tuple(values[name] for name in ("query", "key", "value"))
    trained = tuple(tensor.clone().requires_grad_() for tensor in tensors)
    gradient = torch.randn(1, 1, 5, 8, device=DEVICE)
    return {
        "hadamard_codes_triton": (tensors[0], plain.hadamard_signs(2, 8, 3, device=DEVICE), 2, 3),
        "bernoulli_sum_triton": (*codes, tensors[2], 2, True),
        "bernoulli_outer_triton": (*codes, *tensors, gradient, 2, 0.5, True),
        "bernoulli_attention_triton": (*trained, *codes, 1, False, True),
        "expected_attention_triton": (*trained, 2),
        "expected_outer_triton": (*tensors, gradient, 2),
    }


@pytest.mark.parametrize("name", operands())
def test_operators_are_what_they_say(name):
    torch.library.opcheck(getattr(torch.ops.sampleformer, name), operands()[name])


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("hashing", ["gaussian", "hadamard"])
def test_a_compiler_sees_one_graph(hashing):
    attention, given = layer(kernel="triton", hashing=hashing).eval(), tokens()
    compiled = torch.compile(attention, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(given), attention(given))
