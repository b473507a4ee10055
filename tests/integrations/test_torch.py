"""`SampledMultiheadAttention` takes the place of `nn.MultiheadAttention`."""

import copy
import math

import pytest
import torch
from torch import nn
from torch_geometric.nn import GINConv, GPSConv

from sampleformer import SampledMultiheadAttention, swap
from sampleformer.errors import InputError
from tests.attention.variations import batch

WIDTH, HEADS, LENGTHS = 16, 4, [9, 4, 7]
METHODS = {
    "samsa": {"sampled": 3},
    "samsa-extra": {"sampled": 3, "extra": 2, "groups": 2},
    "samsa-soft": {"sampled": 3, "choice": "soft"},
    "sft": {"sampled": 3},
    "yoso": {"hashes": 4, "code_length": 3},
    "full": {},
}


def built(method: str, **changes: object) -> SampledMultiheadAttention:
    name = method.partition("-")[0]
    arguments = {"batch_first": True, "dtype": torch.float64, "attention": name, **METHODS[method], **changes}
    layer = SampledMultiheadAttention(WIDTH, HEADS, **arguments)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return layer


def torchs(**changes: object) -> nn.MultiheadAttention:
    module = nn.MultiheadAttention(WIDTH, HEADS, **{"batch_first": True, "dtype": torch.float64, **changes}).eval()
    if module.in_proj_bias is not None:
        nn.init.normal_(module.in_proj_bias)
        nn.init.normal_(module.out_proj.bias)
    return module


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = batch(LENGTHS, width=WIDTH)
    return tokens.features, ~tokens.mask


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("attention", ["samsa", "full"])
def test_as_many_sampled_as_tokens_are_torchs_attention(attention: str, bias: bool) -> None:
    module = torchs(bias=bias)
    layer = SampledMultiheadAttention.of(module, attention, **({"sampled": 9} if attention == "samsa" else {}))
    x, padding = padded()
    # Autograd on: torch's own fast path makes nested tensors of padded inputs.
    expected = module(x, x, x, key_padding_mask=padding)[0]
    torch.testing.assert_close(layer(x, x, x, padding)[0][~padding], expected[~padding], rtol=0, atol=1e-10)
    query, values = torch.randn(3, 5, WIDTH, dtype=torch.float64), torch.randn_like(x)
    for key, value in ((x, x), (x, values)):
        expected = module(query, key, value, key_padding_mask=padding)[0]
        torch.testing.assert_close(layer(query, key, value, padding)[0], expected, rtol=0, atol=1e-10)


def test_layouts_of_torch_give_the_same_numbers() -> None:
    layer = built("samsa").eval()
    x, padding = padded()
    expected = layer(x, x, x, padding)[0]
    one = x[1]
    alone = layer(one, one, one, padding[1])[0]
    torch.testing.assert_close(alone, expected[1])
    layer.batch_first = False
    turned = x.transpose(0, 1)
    torch.testing.assert_close(layer(turned, turned, turned, padding)[0].transpose(0, 1), expected)
    added = torch.zeros_like(padding, dtype=torch.float64).masked_fill(padding, -torch.inf)
    torch.testing.assert_close(layer(turned, turned, turned, added)[0].transpose(0, 1), expected)


@pytest.mark.parametrize("method", METHODS)
def test_padding_never_matters(method: str) -> None:
    layer = built(method).eval()
    x, padding = padded()
    expected = layer(x, x, x, padding)[0]
    other = layer(*[x.masked_fill(padding[..., None], torch.nan)] * 3, padding)[0]
    assert torch.equal(other, expected)
    assert not expected[padding].any()
    for row, length in enumerate(LENGTHS):
        one = x[row : row + 1, :length]
        torch.testing.assert_close(layer(one, one, one)[0][0], expected[row, :length], rtol=0, atol=1e-10)
    assert not layer(x, x, x, torch.ones_like(padding))[0].any()
    empty = x[:, :0]
    assert layer(empty, empty, empty)[0].shape == (3, 0, WIDTH)


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_learns_and_a_state_comes_back(method: str, tmp_path) -> None:
    layer = built(method, dropout=0.1).train()
    x, padding = padded()
    layer(x, x, x, padding)[0].square().sum().backward()
    silent = {
        name for name, parameter in layer.named_parameters() if parameter.requires_grad and parameter.grad is None
    }
    assert silent == set()
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    other = built(method).eval()
    other.load_state_dict(torch.load(tmp_path / "state.pt"))
    assert torch.equal(other(x, x, x, padding)[0], layer.eval()(x, x, x, padding)[0])


def test_a_state_of_torchs_module_fits_but_for_the_method() -> None:
    layer, module = built("samsa"), torchs()
    missing, unexpected = layer.load_state_dict(module.state_dict(), strict=False)
    assert unexpected == []
    assert all(name.startswith("attention.") for name in missing)
    assert torch.equal(layer.in_proj_weight, module.in_proj_weight)


def test_dropout_drops_chosen_tokens_in_training_alone() -> None:
    layer = built("samsa", dropout=0.5, noise=0.0, bias=False)
    x, _ = padded()
    trained = torch.stack([layer.train()(x, x, x)[0] for _ in range(100)])
    assert trained.std(0).min() > 0
    expected = layer.eval()(x, x, x)[0]
    assert (trained.mean(0) - expected).norm() < 0.25 * trained.std(0).norm()
    assert torch.equal(layer(x, x, x)[0], expected)


def test_an_encoder_calls_it_in_evaluation_too() -> None:
    torch.manual_seed(1)
    plain = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, dropout=0.0, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(plain, 2).eval()
    x, padding = padded()
    everything, some = copy.deepcopy(encoder), copy.deepcopy(encoder)
    assert swap(everything, sampled=9) == 2
    assert swap(some, sampled=2) == 2
    calls: list[int] = []
    some.layers[0].self_attn.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        expected = encoder(x, src_key_padding_mask=padding)
        result = everything(x, src_key_padding_mask=padding)
        sampled = some(x, src_key_padding_mask=padding)
    torch.testing.assert_close(result[~padding], expected[~padding], rtol=0, atol=1e-10)
    assert calls == [1]
    assert (sampled - expected)[~padding].abs().max() > 1e-3
    torch.testing.assert_close(some.train()(x, src_key_padding_mask=padding)[0].isfinite().all(), torch.tensor(True))


def test_swap_keeps_weights_shared_modules_and_what_only_leaves_out() -> None:
    model = nn.Transformer(WIDTH, HEADS, 1, 1, 32, batch_first=True)
    shared = model.encoder.layers[0].self_attn
    model.again = shared
    weight = shared.in_proj_weight
    assert swap(model, only=lambda name: not name.startswith("decoder.layers.0.self_attn"), sampled=4) == 2
    assert model.again is model.encoder.layers[0].self_attn
    assert model.again.in_proj_weight is weight
    assert type(model.decoder.layers[0].self_attn) is nn.MultiheadAttention
    causal = nn.Transformer.generate_square_subsequent_mask(5)
    assert model(torch.randn(2, 7, WIDTH), torch.randn(2, 5, WIDTH), tgt_mask=causal).shape == (2, 5, WIDTH)
    with pytest.raises(InputError, match="without nn.MultiheadAttention to replace"):
        swap(nn.Linear(3, 3))
    with pytest.raises(InputError, match=r"0: kdim is 5, expected embed_dim = 16"):
        swap(nn.Sequential(nn.MultiheadAttention(WIDTH, HEADS, kdim=5)))
    with pytest.raises(InputError, match=r"expected a model around it"):
        swap(nn.MultiheadAttention(WIDTH, HEADS))


def test_graph_gps_calls_it() -> None:
    convolution = GPSConv(WIDTH, GINConv(nn.Linear(WIDTH, WIDTH)), heads=HEADS).eval()
    x, edges = torch.randn(9, WIDTH), torch.tensor([[0, 1, 5], [1, 2, 6]])
    graph = torch.tensor([0] * 3 + [1] * 6)
    expected = convolution(x, edges, graph)
    assert swap(convolution, sampled=6) == 1
    torch.testing.assert_close(convolution(x, edges, graph), expected, rtol=0, atol=1e-5)
    convolution.attn.attention.sampler.sampled = 1
    assert (convolution(x, edges, graph) - expected).abs().max() > 1e-3
    convolution.reset_parameters()


def test_it_compiles_and_exports(fresh_compiler: None) -> None:
    layer = built("samsa", dtype=torch.float32).eval()
    x = torch.randn(3, 9, WIDTH)
    padding = padded()[1]
    expected = layer(x, x, x, padding)[0]
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, x, x, padding)[0], expected)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
            return self.layer(x, x, x, padding)[0]

    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Model(), (x, padding), dynamic_shapes=(sizes, sizes), strict=False).module()
    torch.testing.assert_close(program(x, padding), expected)
    torch.testing.assert_close(program(x[:2, :2], padding[:2, :2]), layer(*[x[:2, :2]] * 3, padding[:2, :2])[0])


def test_half_precision_autocast_and_a_device_without_memory() -> None:
    x, padding = padded()
    half = built("samsa", dtype=torch.bfloat16).eval()
    assert half(*[x.bfloat16()] * 3, padding)[0].dtype == torch.bfloat16
    with torch.autocast("cpu"):
        assert built("sft", dtype=torch.float32)(*[x.float()] * 3, padding)[0].isfinite().all()
    empty = SampledMultiheadAttention(WIDTH, HEADS, batch_first=True, sampled=3, device="meta")
    assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}
    made = empty.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(math.nan)  # what memory that is not cleared may hold
    made.reset_parameters()
    assert all(parameter.isfinite().all() for parameter in made.parameters())
    assert made(*[x.float()] * 3)[0].isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "smasa"}, "attention: unknown name 'smasa'; did you mean 'samsa'?"),
        ({"num_sampled": 3}, "attention 'samsa'.num_sampled: unknown setting; did you mean 'sampled'?"),
        ({"sampled": 0}, "attention 'samsa': sampled is 0, expected at least 1"),
        ({"attention": "sft", "relative": "offsets"}, "relative: unknown setting"),
        ({"add_bias_kv": True}, "add_bias_kv is True, expected False"),
        ({"add_zero_attn": True}, "add_zero_attn is True, expected False"),
        ({"vdim": 3}, "vdim is 3, expected embed_dim = 16"),
        ({"dropout": 1.0}, "dropout is 1.0, expected at least 0 and less than 1"),
    ],
    ids=str,
)
def test_impossible_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SampledMultiheadAttention(WIDTH, HEADS, **arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"need_weights": True}, "need_weights is True, expected False"),
        ({"attn_mask": torch.zeros(9, 9)}, "attn_mask is given, expected None"),
        ({"is_causal": True}, "is_causal is True, expected False"),
        ({"key_padding_mask": torch.zeros(3, 8, dtype=torch.bool)}, "shape (3, 8), expected (3, 9)"),
        ({"key_padding_mask": torch.full((3, 9), 0.5)}, "other numbers than 0 and -inf"),
        ({"key_padding_mask": torch.zeros(3, 9, dtype=torch.int64)}, "dtype torch.int64, expected torch.bool"),
        ({"value": torch.zeros(3, 8, WIDTH, dtype=torch.float64)}, "value has shape (3, 8, 16), expected the key's"),
        ({"query": torch.zeros(2, 9, WIDTH, dtype=torch.float64)}, "key has a batch of 3, expected the query's, 2"),
        ({"query": torch.zeros(3, 9, 5, dtype=torch.float64)}, "query has shape (3, 9, 5), expected 3 dimensions"),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_impossible_calls_are_refused(arguments: dict, message: str) -> None:
    x, _ = padded()
    with pytest.raises(InputError) as caught:
        built("samsa")(**{"query": x, "key": x, "value": x, **arguments})
    assert message in str(caught.value)


def test_self_attention_alone_refuses_another_context() -> None:
    layer = built("yoso", convolution=3)
    x, _ = padded()
    with pytest.raises(InputError, match="key is another tensor than query"):
        layer(x, x.clone(), x)
