"""State of modules: what is started, loaded, copied and moved, for everything that the package builds."""

import copy
import functools
import gc
import pickle
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import Attention, LocalEdges, WindowAttention, YosoAttention
from sampleformer.attention.relative import RELATIVES
from sampleformer.embed import GraphEmbed, PointCloudEmbed, SequenceEmbed
from sampleformer.heads import POOLINGS, PairHead, SampleHead, TokenHead
from sampleformer.integrations.huggingface import YosoBert
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.modules import Module, reset_parameters, start_with
from sampleformer.norms import NORMS
from tests.attention.variations import batch
from tests.naive.twins import TESTED, VARIATIONS

WIDTH = 32
EMBEDS = {
    "sequence-codes": ({"name": "sequence", "hidden": 64}, {"vocabulary": 50}),
    "sequence-plain": ({"name": "sequence"}, {"vocabulary": 50}),
    "sequence-numbers": ({"name": "sequence"}, {"features": 3, "length": 40}),
    "graph": ({"name": "graph"}, {"vocabularies": [20, 30], "encodings": 8, "identifiers": 8, "edge_features": 4}),
    "graph-alike": ({"name": "graph", "edge_tokens": "each"}, {"features": 0, "edge_features": 0}),
    "cloud": ({"name": "point_cloud"}, {"normals": True, "identifiers": 8}),
}
CLASSES = {"sequence": SequenceEmbed, "graph": GraphEmbed, "point_cloud": PointCloudEmbed}


def _embed(embed: dict, inputs: dict) -> nn.Module:
    arguments = {name: value for name, value in embed.items() if name != "name"}
    return CLASSES[embed["name"]](WIDTH, **arguments, **inputs)


def _model(embed: dict, inputs: dict, **settings: object) -> TokenModel:
    made = ModelSettings(**{"width": WIDTH, "layers": 2, "heads": 2, "feedforward": 64, "embed": embed, **settings})
    return TokenModel(made, inputs, 3)


def _bert() -> nn.Module:
    return YosoBert(YosoBertConfig(vocab_size=30, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2))


BUILT: dict[str, Callable[[], nn.Module]] = {
    **{
        f"{name}-{variation}": functools.partial(TESTED[name], WIDTH, 2, **arguments)
        for name, variations in VARIATIONS.items()
        for variation, arguments in variations.items()
    },
    "local-window": functools.partial(WindowAttention, WIDTH, 2),
    **{
        f"local-edges-{kind}": functools.partial(LocalEdges, WIDTH, 2, edge_features=3, kind=kind)
        for kind in ("messages", "attention")
    },
    "yoso-convolution": functools.partial(YosoAttention, WIDTH, 2, convolution=33),
    **{
        f"relative-{name}": functools.partial(kind, 2, **({"features": 3} if name == "edges" else {}))
        for name, kind in RELATIVES.items()
    },
    **{f"norm-{name}": functools.partial(kind, WIDTH) for name, kind in NORMS.items()},
    **{f"pooling-{name}": functools.partial(SampleHead, WIDTH, 3, pooling=name) for name in POOLINGS},
    "head-token": functools.partial(TokenHead, WIDTH, 3),
    "head-pair": functools.partial(PairHead, WIDTH, 3),
    **{f"embed-{name}": functools.partial(_embed, *each) for name, each in EMBEDS.items()},
    **{f"model-{name}": functools.partial(_model, *each) for name, each in EMBEDS.items()},
    "model-sft": functools.partial(_model, *EMBEDS["graph"], attention={"name": "sft", "relative": "edges"}),
    "model-post-norm": functools.partial(
        _model,
        *EMBEDS["sequence-codes"],
        norm="batch",
        norm_position="post",
        residual_scale=1.0,
        local={"name": "window", "window": 3},
    ),
    **{
        f"model-local-edges-{kind}": functools.partial(_model, *EMBEDS["graph"], local={"name": "edges", "kind": kind})
        for kind in ("messages", "attention")
    },
    "bert": _bert,
}
everything = pytest.mark.parametrize("name", BUILT)


def state(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module, by name: parameters, buffers, whether they are saved or not, and values."""
    found = dict(module.named_parameters()) | dict(module.named_buffers())
    for prefix, part in module.named_modules():
        found |= {f"{prefix}.{name}": value for name, value in vars(part).items() if torch.is_tensor(value)}
    return {name: value.detach().clone() for name, value in found.items()}


def built_without_memory(name: str) -> nn.Module:
    with torch.device("meta"):
        return BUILT[name]()


def spoil(module: nn.Module) -> nn.Module:
    """Fills all memory that `to_empty` leaves open with what nobody can miss."""
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.fill_(torch.nan if tensor.is_floating_point() else -77)
    return module


def assert_started(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Constants are equal, and what is drawn has the same mean and deviation."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        constant = value.ndim == 0 or (value.numel() > 1 and bool((value == value.flatten()[0]).all()))
        if constant or not value.is_floating_point():
            assert torch.equal(found[name], value), name
        elif value.numel() >= 500:
            torch.testing.assert_close(found[name].std(), value.std(), rtol=0.15, atol=0, msg=name)
            torch.testing.assert_close(
                found[name].mean(), value.mean(), rtol=0, atol=0.2 * float(value.std()), msg=name
            )
        else:  # too few for statistics
            assert 0 < float(found[name].abs().max()) < 1 + 5 * float(value.abs().max()), name


@everything
def test_reset_starts_everything_as_the_constructor_does(name):
    module = BUILT[name]()
    expected = state(module)
    reset_parameters(spoil(module))
    assert_started(state(module), expected)


@everything
def test_reset_after_construction_without_memory(name):
    expected = state(BUILT[name]())
    module = built_without_memory(name)
    assert all(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])
    reset_parameters(spoil(module.to_empty(device="cpu")))
    assert_started(state(module), expected)


@everything
def test_each_module_with_parameters_of_its_own_resets_them(name):
    """As FSDP gives memory to modules, from the root to the leaves, each for itself."""
    expected = state(BUILT[name]())
    module = built_without_memory(name)
    for part in module.modules():
        own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        part.to_empty(device="cpu", recurse=False)
        if own:
            part.reset_parameters()
    assert_started(state(module), expected)


@everything
@pytest.mark.parametrize("assign", [False, True], ids=["copied", "assigned"])
def test_loading_restores_all_that_is_not_saved_too(name, assign):
    source = BUILT[name]()
    module = spoil(built_without_memory(name).to_empty(device="cpu"))
    module.load_state_dict(source.state_dict(), assign=assign)
    for key, value in state(source).items():
        assert torch.equal(state(module)[key], value), key


@everything
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))], ids=["deepcopy", "pickle"]
)
def test_copy_is_equal_and_starts_anew_by_itself(name, copied):
    module = BUILT[name]()
    other = copied(module)
    before = state(module)
    for key, value in before.items():
        assert torch.equal(state(other)[key], value), key
    reset_parameters(spoil(other))
    assert_started(state(other), before)
    for key, value in before.items():
        assert torch.equal(state(module)[key], value), key


@everything
def test_module_is_freed_at_once(name):
    module = BUILT[name]()
    parts = [weakref.ref(part) for part in module.modules()]
    gc.disable()
    try:
        del module
        assert all(part() is None for part in parts)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", [name for name in BUILT if name.split("-")[0] in TESTED])
def test_attention_loaded_without_memory_trains_the_same(name):
    source = BUILT[name]()
    module = built_without_memory(name)
    module.load_state_dict(source.state_dict(), assign=True)
    assert isinstance(source, Attention)
    tokens = batch([13, 7, 9], padding=1, dtype=torch.float32, width=WIDTH)
    noise = source.draw_noise(tokens, generator=torch.Generator().manual_seed(0))
    assert torch.equal(source(tokens, noise=noise), module(tokens, noise=noise))
    assert torch.equal(source.eval()(tokens), module.eval()(tokens))


class Valued(Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_value("scale", 0.1)
        self.register_value("first", [0, 3])
        self.weight = nn.Parameter(torch.empty(2))


@pytest.mark.parametrize(
    "moved",
    [
        lambda module: module.to("meta").to_empty(device="cpu"),
        lambda module: module.to_empty(device="cpu"),
        lambda module: module.half().double().bfloat16(),
    ],
    ids=["meta", "empty", "precision"],
)
def test_values_keep_what_they_hold(moved):
    module = Valued()
    module.scale.fill_(0.7)
    module = moved(module)
    assert torch.equal(module.scale, torch.tensor(0.7))
    assert torch.equal(module.first, torch.tensor([0, 3]))
    assert list(module.state_dict()) == ["weight"]


def test_values_follow_their_module():
    seen: list[torch.device] = []
    module = Valued()
    module._apply(lambda tensor: seen.append(tensor.device) or tensor)
    assert len(seen) == 3
    with torch.device("meta"):
        assert Valued().scale.device.type == "cpu"


def test_layer_with_another_start_keeps_its_class():
    layer = nn.Linear(3, 4)
    start_with(layer, lambda each: nn.init.constant_(each.bias, 5.0))
    assert type(layer) is nn.Linear
    assert layer.bias.tolist() == [5.0] * 4
    nn.init.zeros_(layer.bias)
    nn.init.zeros_(layer.weight)
    layer.reset_parameters()
    assert layer.bias.tolist() == [5.0] * 4
    assert bool(layer.weight.any())
