"""Models with weights of fewer bits, and compiled ones."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sampleformer import InputError, ModelSettings, Predictor, TokenModel
from sampleformer.edges import Edges
from sampleformer.models import DGCNN, DescriptorMLP, Model, PointNet
from sampleformer.models.dgcnn import DGCNNSettings
from sampleformer.models.mlp import MLPSettings
from sampleformer.models.pointnet import PointNetSettings
from sampleformer.tokens import Tokens
from sampleformer.training.narrowed import FEWEST, NARROWED, Int8Embedding, Int8Linear, narrow
from tests.serve.untrained import text_run


def size(model: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in model.state_dict().values())


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 5), (3, 200), (0,)])
def test_int8_is_the_formula_and_near_the_layer(shape: tuple[int, ...]) -> None:
    layer = nn.Linear(32, 7)
    x = torch.randn(*shape, 32) * 3
    narrowed = Int8Linear(layer)
    found = narrowed(x)
    assert found.shape == (*shape, 7)
    scale = x.abs().amax(-1, keepdim=True) / 127 if x.numel() else x[..., :1]
    weights = layer.weight.abs().amax(1) / 127
    codes = (layer.weight / weights[:, None]).round()
    expected = (x / scale).round().double() @ codes.T.double() * scale.double() * weights.double() + layer.bias
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, layer(x), rtol=0, atol=0.15)
    torch.testing.assert_close(narrowed.weight, layer.weight, rtol=0, atol=float(weights.detach().max()) / 2 + 1e-6)


def test_rows_of_zeros_stay_zeros() -> None:
    layer = nn.Linear(16, 4, bias=False)
    layer.weight.data[1] = 0
    assert not Int8Linear(layer)(torch.randn(2, 16))[:, 1].any()
    assert not Int8Linear(layer)(torch.zeros(2, 16)).any()
    table = nn.Embedding(3, 4)
    table.weight.data[0] = 0
    found = Int8Embedding(table)(torch.tensor([[0, 2]]))
    assert not found[0, 0].any()
    step = float(table.weight.data[2].abs().max()) / 127
    torch.testing.assert_close(found[0, 1], table.weight[2], rtol=0, atol=step / 2 + 1e-6)


MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "codes": ({"name": "sequence"}, {"vocabulary": 300}),
    "codes-hidden": ({"name": "sequence", "hidden": 32}, {"vocabulary": 300}),
    "numbers": ({"name": "sequence", "hidden": 32}, {"features": 1, "length": 12, "gaps": True}),
    "graph": ({"name": "graph"}, {"vocabularies": [9, 4], "edge_features": 2}),
    "cloud": ({"name": "point_cloud", "neighbours": 4}, {"features": 0, "normals": False}),
}


def made(name: str) -> tuple[TokenModel, Tokens]:
    """A model of each modality, and what it takes."""
    torch.manual_seed(1)
    embed, inputs = MODELS[name]
    settings = ModelSettings(
        width=32, layers=2, heads=2, feedforward=64, residual_scale=1.0, attention={"name": "full"}, embed=embed
    )
    model = TokenModel(settings, inputs, 3).eval()
    if "vocabulary" in inputs:
        return model, Tokens(torch.randint(300, (4, 12)))
    if name == "numbers":
        return model, Tokens(torch.randn(4, 12, 1).masked_fill(torch.rand(4, 12, 1) < 0.2, torch.nan))
    if name == "graph":
        ends = torch.randint(12, (4, 10, 2))
        source, target = ends.flatten(1), ends.flip(-1).flatten(1)  # both directions of each
        return model, Tokens(torch.randint(4, (4, 12, 2)), edges=Edges(source, target, torch.randn(4, 20, 2)))
    return model, Tokens(torch.zeros(4, 12, 0), coordinates=torch.randn(4, 12, 3))


@pytest.mark.parametrize("kind", NARROWED)
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_answers_of_every_modality_stay_near(name: str, kind: str) -> None:
    model, tokens = made(name)
    expected, scored = model(tokens), copy.deepcopy(model)
    narrow(scored, kind)
    found = scored(tokens)
    assert found.dtype == torch.float32
    assert 0 < float((found - expected).abs().max()) < 0.05 * float(expected.abs().max()) + 0.02
    assert size(scored) < {"bfloat16": 0.62, "int8": 0.45}[kind] * size(model)


CLOUD_MODELS: dict[str, Callable[[], Model]] = {
    "pointnet": lambda: PointNet(PointNetSettings(), {"normals": False}, 3),
    "dgcnn": lambda: DGCNN(DGCNNSettings(neighbours=5, factored=False), {"normals": False}, 3),
    "factored": lambda: DGCNN(DGCNNSettings(neighbours=5), {"normals": False}, 3),
}


@pytest.mark.parametrize("kind", NARROWED)
@pytest.mark.parametrize("name", CLOUD_MODELS)
@torch.no_grad()
def test_answers_of_models_of_clouds_stay_near(name: str, kind: str) -> None:
    torch.manual_seed(1)
    model, tokens = CLOUD_MODELS[name](), Tokens(torch.zeros(4, 30, 0), coordinates=torch.randn(4, 30, 3))
    model(tokens)  # statistics
    expected, narrowed = model.eval()(tokens), copy.deepcopy(model)
    narrow(narrowed, kind)
    found = narrowed(tokens)
    assert found.dtype == torch.float32
    assert 0 < float((found - expected).abs().max()) < 0.05 * float(expected.abs().max()) + 0.02
    assert size(narrowed) < {"bfloat16": 0.62, "int8": 0.45}[kind] * size(model)


def test_what_scores_tokens_is_left_as_it_is() -> None:
    settings = ModelSettings(width=32, layers=1, heads=2, attention={"name": "samsa", "sampled": 3})
    model = TokenModel(settings, {"vocabulary": 9}, 2).eval()
    before = copy.deepcopy(model.encoder.layers[0].attention.sampler.state_dict())
    narrow(model, "int8")
    after = model.encoder.layers[0].attention.sampler.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(isinstance(each, Int8Linear) for each in model.modules())


def test_a_model_without_such_layers_is_refused() -> None:
    model: Model = DescriptorMLP(MLPSettings(hidden=4), {"descriptors": [3]}, 2)
    with pytest.raises(InputError, match=f"int8: the model 'mlp' has no embedding .* at least {FEWEST} inputs"):
        narrow(model, "int8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return text_run(tmp_path_factory.mktemp("run")).path


@pytest.mark.parametrize("options", [{"dtype": torch.bfloat16}, {"quantize": "int8"}])
def test_a_predictor_with_fewer_bits(run: Any, options: dict[str, Any]) -> None:
    texts = ["the soup was cold", "lovely"]
    whole, narrowed = Predictor.load(run), Predictor.load(run, **options)
    assert size(narrowed.model) < size(whole.model)
    expected, found = whole(texts), narrowed(texts)
    assert found.keys() == expected.keys()
    for name in expected:
        if name.startswith("probability"):
            assert found[name] == pytest.approx(expected[name], abs=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": torch.float16}, r"dtype: found torch.float16, expected torch.float32 or torch.bfloat16"),
        ({"quantize": "int4"}, "quantize: found 'int4', expected 'int8' or None"),
        ({"quantize": "int8", "dtype": torch.bfloat16}, "dtype and quantize: .* expected one of them"),
    ],
)
def test_options_that_cannot_be(run: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Predictor.load(run, **options)


def test_a_compiled_predictor_is_for_any_length(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[nn.Module, dict[str, Any]]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, **options: compiled.append((module, options)))
    Predictor.load(run)
    assert not compiled
    made = Predictor.load(run, compile=True)
    assert [(module is made.model, options) for module, options in compiled] == [(True, {"dynamic": True})]


def test_without_a_compiler_it_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match="compile: found no C"):
        Predictor.load(run, compile=True)
