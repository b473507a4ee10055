"""Whatever a user puts in the place of a linear layer, or hangs on it, counts: for each layer of each attention."""

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from sampleformer.attention import Attention, WindowAttention, YosoAttention
from sampleformer.norms import LayerNorm
from tests.attention.variations import CASES, HEADS, WIDTH, batch, build

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
OTHERS = {
    "local": lambda: WindowAttention(WIDTH, HEADS, window=2),
    "yoso-convolution": lambda: YosoAttention(WIDTH, HEADS, hashes=5, code_length=2, convolution=3),
    "samsa-layer-norm": lambda: build("samsa-hard", norm=LayerNorm(WIDTH)),
    "samsa-no-norm": lambda: build("samsa-hard", norm=None),
    "sft-no-norm": lambda: build("sft-leaky-relu", norm=None),
}


def made(case: str) -> Attention:
    torch.manual_seed(3)
    return OTHERS[case]().double() if case in OTHERS else build(case)


def layers_of(case: str, *kinds: type[nn.Module]) -> list[str]:
    return [name for name, module in made(case).named_modules() if type(module) in kinds]


# Of the variations those that project in ways of their own, and the first of an attention that has none of these.
VARIATIONS = ("no-bias", "hard", "hard-extra-tokens", "hard-one-choice-for-all", "leaky-relu", "scaled-dot", "hadamard")
CHOSEN = [case for case, (name, _) in CASES.items() if case.removeprefix(f"{name}-") in VARIATIONS]
FIRST = {name: case for case, (name, _) in reversed(CASES.items())}
ALL = [*CHOSEN, *(case for name, case in FIRST.items() if not any(CASES[each][0] == name for each in CHOSEN)), *OTHERS]
LINEAR = [(case, layer) for case in ALL for layer in layers_of(case, nn.Linear)]
CALLED = [(case, layer) for case in ALL for layer in layers_of(case, nn.Linear, nn.Conv2d)]
every_linear_layer = pytest.mark.parametrize(("case", "layer"), LINEAR)
every_layer = pytest.mark.parametrize(("case", "layer"), CALLED)


class Lora(nn.Module):
    """What adapters put in the place of a linear layer."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.a = nn.Linear(inner.in_features, 2, bias=False, dtype=torch.float64)
        self.b = nn.Linear(2, inner.out_features, bias=False, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.b(self.a(x))

    def merged(self) -> nn.Linear:
        layer = copy.deepcopy(self.inner)
        layer.weight.data += self.b.weight @ self.a.weight
        return layer


def both_passes(attention: Attention) -> list[Tensor]:
    """What evaluation and training make of the same tokens and noise."""
    tokens = batch([13, 7, 9], padding=1)
    noise = attention.train().draw_noise(tokens, generator=torch.Generator().manual_seed(5))
    training = attention(tokens, noise=noise)
    return [attention.eval()(tokens), training]


def assert_same(attention: Attention, expected: Attention) -> None:
    torch.manual_seed(9)
    found = both_passes(attention)
    torch.manual_seed(9)
    for one, other in zip(found, both_passes(expected), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def loss(attention: Attention) -> Tensor:
    """Something through which every layer learns, the scorer too."""
    result, selection = attention.train()(batch([13, 40, 31]), return_selection=True)
    scores = selection.scores
    term = 0 if scores is None or scores.log_probability is None else scores.log_probability.sum()
    return result.square().sum() + term


@every_linear_layer
def test_adapter_counts_as_its_merged_weights(case, layer):
    attention = made(case)
    adapter = Lora(attention.get_submodule(layer))
    attention.set_submodule(layer, adapter)
    merged = copy.deepcopy(attention)
    merged.set_submodule(layer, adapter.merged())
    assert_same(attention, merged)


@every_linear_layer
def test_adapter_learns(case, layer):
    attention = made(case)
    attention.sampler.sampled = min(attention.sampler.sampled, 5)
    adapter = Lora(attention.get_submodule(layer))
    attention.set_submodule(layer, adapter)
    loss(attention).backward()
    assert bool(adapter.a.weight.grad.any())
    assert bool(adapter.b.weight.grad.any())


@every_layer
def test_hooks_are_called_and_change_nothing_else(case, layer):
    attention, called = made(case), []
    hooked = copy.deepcopy(attention)
    module = hooked.get_submodule(layer)
    module.register_forward_pre_hook(lambda *_: called.append("before"))
    module.register_forward_hook(lambda *_: called.append("after"))
    module.register_full_backward_pre_hook(lambda *_: called.append("backward"))
    module.register_full_backward_hook(lambda *_: called.append("gradient"))
    assert_same(hooked, attention)
    loss(hooked).backward()
    assert set(called) == {"before", "after", "backward", "gradient"}


@every_layer
@pytest.mark.parametrize("way", ["hook", "pre-hook", "forward"])
def test_what_a_hook_or_another_forward_changes_is_used(case, layer, way):
    attention = made(case)
    doubled = copy.deepcopy(attention)
    module = attention.get_submodule(layer)
    parameters = [module.weight] if way == "pre-hook" else list(module.parameters())
    if way == "hook":
        module.register_forward_hook(lambda _module, _inputs, output: 2 * output)
    elif way == "pre-hook":
        module.register_forward_pre_hook(lambda _module, inputs: (2 * inputs[0],))
    else:  # as offloading does it
        inner = module.forward
        module.forward = lambda x: 2 * inner(x)
    of_doubled = dict(doubled.get_submodule(layer).named_parameters())
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if any(parameter is one for one in parameters):
                of_doubled[name] *= 2
    assert_same(attention, doubled)


@pytest.mark.parametrize("case", ALL)
def test_hook_of_a_norm_is_used_too(case):
    attention = made(case)
    norms = [name for name, module in attention.named_modules() if name.endswith("norm")]
    for name in norms:
        changed, calls = copy.deepcopy(attention), []
        changed.get_submodule(name).register_forward_hook(lambda *_, calls=calls: calls.append(1))
        assert_same(changed, attention)
        assert calls


@every_linear_layer
def test_pruned_layer_is_masked_in_every_pass(case, layer):
    attention = made(case)
    masked = copy.deepcopy(attention)
    module = attention.get_submodule(layer)
    prune.l1_unstructured(module, "weight", 0.3)
    masked.get_submodule(layer).weight.data *= module.weight_mask
    assert_same(attention, masked)
    attention.sampler.sampled = min(attention.sampler.sampled, 5)
    for _ in range(2):
        loss(attention).backward()
    assert bool(module.weight_orig.grad.any())
    assert not (module.weight_orig.grad * (1 - module.weight_mask)).any()


@every_linear_layer
def test_parametrized_layer_is_the_same_and_learns(case, layer):
    attention = made(case)
    plain = copy.deepcopy(attention)
    module = attention.get_submodule(layer)
    parametrizations.weight_norm(module)
    assert_same(attention, plain)
    attention.sampler.sampled = min(attention.sampler.sampled, 5)
    for _ in range(2):
        loss(attention).backward()
    assert bool(module.parametrizations.weight.original0.grad.any())


@every_linear_layer
def test_quantised_layer_is_called_and_close(case, layer):
    attention = made(case).float().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        quantised = torch.ao.quantization.quantize_dynamic(
            attention, {layer: torch.ao.quantization.default_dynamic_qconfig}
        )
    assert type(quantised.get_submodule(layer)) is not nn.Linear
    calls: list[int] = []
    quantised.get_submodule(layer).register_forward_hook(lambda *_: calls.append(1))
    tokens = batch([13, 7, 9], padding=1, dtype=torch.float32)
    with torch.no_grad():
        expected, exact = attention(tokens, return_selection=True)
        found, selection = quantised(tokens, return_selection=True)
    assert calls
    same = (selection.indices == exact.indices).flatten(1).all(1)
    # Eight bits are good for a hundredth, and a hash or a relu may turn; other rows than its own would be off by 1.4.
    assert float((found - expected)[same].norm()) < 0.5 * float(expected[same].norm())


@pytest.mark.parametrize("case", ["samsa-hard", "sft-leaky-relu", "samsa-hard-extra-tokens"])
def test_called_layer_compiles_in_one_graph(case, fresh_compiler):
    attention = made(case).eval()
    attention.set_submodule("key_value", Lora(attention.key_value))
    tokens = batch([13, 7], padding=1)
    compiled = torch.compile(attention, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), attention(tokens), **CLOSE)


@pytest.mark.parametrize("case", ["samsa-hard", "sft-leaky-relu", "full-defaults", "yoso-hadamard"])
def test_what_a_hook_keeps_stays_as_it_was(case):
    attention, kept = made(case).eval(), []

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            kept.append((output, output.clone()))

    for module in attention.modules():
        module.register_forward_hook(keep)
    with torch.no_grad():
        attention(batch([13, 7, 9]))
    assert len(kept) > 3
    assert all(torch.equal(output, copied) for output, copied in kept)
