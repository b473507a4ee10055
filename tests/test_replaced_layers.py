"""Whatever a user puts in the place of a layer of a whole model, or hangs on it, counts: embedding, encoder, head."""

import copy

import pytest
import torch
from torch import Tensor, nn

from sampleformer.edges import Edges
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

WIDTH = 8
KINDS = (nn.Linear, nn.Embedding, nn.EmbeddingBag)
WINDOW = {"name": "window", "window": 2}


def made(name: str) -> TokenModel:
    torch.manual_seed(3)
    embed, inputs, level, pooling, local = MODELS[name]
    settings = ModelSettings(
        width=WIDTH,
        layers=1,
        heads=2,
        feedforward=16,
        residual_scale=0.7,
        local=local,
        attention={"name": "samsa", "sampled": 3},
        embed=embed,
        pooling=pooling,
    )
    return TokenModel(settings, inputs, 3, level=level).double().eval()


MODELS = {
    "codes": ({"name": "sequence"}, {"vocabulary": 9}, "sample", "attention", WINDOW),
    "codes-hidden": ({"name": "sequence", "hidden": 16}, {"vocabulary": 9}, "token", "mean", WINDOW),
    "numbers": ({"name": "sequence", "hidden": 16}, {"features": 3, "length": 6}, "sample", "max", WINDOW),
    "graph": (
        {"name": "graph"},
        {"vocabularies": [9, 4], "encodings": 2, "identifiers": 3, "edge_features": 2},
        "pair",
        "mean",
        {"name": "edges"},
    ),
    "cloud": (
        {"name": "point_cloud", "neighbours": 2},
        {"normals": True, "identifiers": 3},
        "sample",
        "mean",
        {"name": "edges", "kind": "attention"},
    ),
}


def answers(model: TokenModel, name: str) -> Tensor:
    random = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    mask = torch.arange(6) < torch.tensor([6, 4])[:, None]
    if name.startswith("codes"):
        return model(Tokens(torch.randint(9, (2, 6), generator=random), mask))
    if name == "numbers":
        return model(Tokens(normal(2, 6, 3), mask))
    if name == "cloud":
        fields = {field: normal(2, 6, 3) for field in ("coordinates", "normals", "identifiers")}
        return model(Tokens(normal(2, 6, 0), mask, **fields))
    edges = Edges(torch.tensor([[0, 1]] * 2), torch.tensor([[1, 0]] * 2), normal(2, 2, 2))
    codes = torch.randint(4, (2, 6, 2), generator=random)
    tokens = Tokens(codes, mask, encodings=normal(2, 6, 2), identifiers=normal(2, 6, 3), edges=edges)
    return model(tokens, pairs=torch.tensor([[[0, 1]], [[1, 3]]]))


LAYERS = [(name, layer) for name in MODELS for layer, module in made(name).named_modules() if type(module) in KINDS]
every_layer = pytest.mark.parametrize(("name", "layer"), LAYERS)


class Wrapped(nn.Module):
    """Adds to a layer what weights would, with its own parameters."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.other = copy.deepcopy(inner)
        with torch.no_grad():
            self.other.weight.normal_(std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        bias = getattr(self.other, "bias", None)
        return self.inner(x) + self.other(x) - (0 if bias is None else bias)

    def merged(self) -> nn.Module:
        layer = copy.deepcopy(self.inner)
        layer.weight.data += self.other.weight
        return layer


@every_layer
def test_wrapper_counts_as_its_merged_weights_and_learns(name, layer):
    model = made(name)
    wrapped = Wrapped(model.get_submodule(layer))
    model.set_submodule(layer, wrapped)
    merged = copy.deepcopy(model)
    merged.set_submodule(layer, wrapped.merged())
    torch.testing.assert_close(answers(model, name), answers(merged, name), rtol=1e-9, atol=1e-9)
    model.train()
    answers(model, name).square().sum().backward()
    assert bool(wrapped.other.weight.grad.any())


@every_layer
def test_hooks_are_called_and_change_nothing_else(name, layer):
    model, called = made(name), []
    expected = answers(model, name)
    module = model.get_submodule(layer)
    module.register_forward_pre_hook(lambda *_: called.append("before"))
    module.register_forward_hook(lambda *_: called.append("after"))
    module.register_full_backward_hook(lambda *_: called.append("gradient"))
    torch.testing.assert_close(answers(model, name), expected, rtol=1e-9, atol=1e-9)
    model.train()
    answers(model, name).square().sum().backward()
    assert set(called) == {"before", "after", "gradient"}
