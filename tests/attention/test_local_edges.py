"""Messages and attention along edges: against loops over the formulas, padding, order, memory, whole models."""

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import LOCALS, FullAttention, LocalEdges, WindowAttention
from sampleformer.attention.local import told_local
from sampleformer.edges import Edges
from sampleformer.embed import GraphEmbed, PointCloudEmbed, SequenceEmbed
from sampleformer.encoder import EncoderLayer, FeedForward
from sampleformer.errors import InputError
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.norms import BatchNorm, RMSNorm
from sampleformer.settings import Component
from sampleformer.tokens import Tokens
from tests.attention.variations import HEADS, WIDTH, with_padding
from tests.naive import local as naive

EXACT = {"rtol": 1e-10, "atol": 1e-10}
TWINS = {"messages": naive.messages, "attention": naive.attention}
every_kind = pytest.mark.parametrize("kind", TWINS)
every_number = pytest.mark.parametrize("features", [0, 3], ids=["nothing-carried", "3-features"])


def local(kind: str, features: int = 3, norm: nn.Module | None = None) -> LocalEdges:
    part = LocalEdges(WIDTH, HEADS, edge_features=features, kind=kind, norm=RMSNorm(WIDTH) if norm is None else norm)
    part = part.double()
    with torch.no_grad():
        for parameter in part.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return part


def graphs(sizes: list[tuple[int, int]], *, padding: int = 0, features: int = 3, masked: bool = True) -> Tokens:
    """So many tokens and edges in each set; ends are drawn, so some edges are loops or double, some tokens alone."""
    length, number = max(n for n, _ in sizes) + padding, max(e for _, e in sizes) + padding
    ends = torch.stack([torch.randint(max(1, n), (2, number)) for n, _ in sizes])
    mask = torch.arange(length) < torch.tensor([n for n, _ in sizes])[:, None]
    edge_mask = torch.arange(number) < torch.tensor([e for _, e in sizes])[:, None]
    carried = torch.randn(len(sizes), number, features, dtype=torch.float64)
    edges = Edges(ends[:, 0].contiguous(), ends[:, 1].contiguous(), carried, edge_mask if masked else None)
    return Tokens(
        torch.randn(len(sizes), length, WIDTH, dtype=torch.float64), mask if masked else None, edges=edges
    ).without_padding()


def moving(tokens: Tokens) -> tuple[Tokens, list[Tensor]]:
    """The same tokens with gradients for their features and those of their edges."""
    features, carried = (each.clone().requires_grad_() for each in (tokens.features, tokens.edges.features))
    edges = Edges(tokens.edges.source, tokens.edges.target, carried, tokens.edges.mask)
    return tokens.with_features(features).with_edges(edges), [features, carried]


@every_kind
@every_number
@pytest.mark.parametrize(
    ("sizes", "masked"),
    [
        pytest.param([(13, 29), (6, 3), (1, 1), (2, 0)], True, id="padded"),
        pytest.param([(7, 11), (7, 11)], False, id="no-mask"),
        pytest.param([(5, 0)], True, id="no-edges"),
    ],
)
def test_value_and_every_gradient_equal_the_twin(kind, features, sizes, masked):
    part = local(kind, features)
    tokens, given = moving(graphs(sizes, padding=2 if masked else 0, features=features, masked=masked))
    found, expected = part(tokens), TWINS[kind](part, tokens)
    torch.testing.assert_close(found, expected, **EXACT)
    trained, upstream = [*given, *part.parameters()], torch.randn_like(found)
    for of_found, of_expected in zip(
        *(torch.autograd.grad(out, trained, upstream, materialize_grads=True) for out in (found, expected)), strict=True
    ):
        torch.testing.assert_close(of_found, of_expected, **EXACT)


@every_kind
def test_gradients_of_gradients_are_the_true_ones(kind):
    part, tokens = local(kind), graphs([(4, 6), (3, 2)])

    def function(features: Tensor, carried: Tensor) -> Tensor:
        edges = Edges(tokens.edges.source, tokens.edges.target, carried, tokens.edges.mask)
        return part(tokens.with_features(features).with_edges(edges))

    given = [each.clone().requires_grad_() for each in (tokens.features, tokens.edges.features)]
    assert torch.autograd.gradcheck(function, given)
    assert torch.autograd.gradgradcheck(function, given)


@every_kind
@pytest.mark.parametrize("content", [1e200, float("inf"), float("nan")], ids=str)
def test_content_of_padding_changes_nothing(kind, content):
    part, tokens = local(kind), graphs([(7, 9), (3, 2), (0, 0)], padding=3)
    edges, absent = tokens.edges, ~tokens.edges.mask
    noisy = Edges(
        edges.source.masked_fill(absent, 10**9),
        edges.target.masked_fill(absent, -1),
        edges.features.masked_fill(absent[:, :, None], content),
        edges.mask,
    )
    (padded, _), (clean, _) = moving(with_padding(tokens, content).with_edges(noisy)), moving(tokens)
    results = [(out, *torch.autograd.grad(out.sin().sum(), part.parameters())) for out in (part(padded), part(clean))]
    for found, expected in zip(*results, strict=True):
        assert bool(expected.isfinite().all())
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@every_kind
def test_padded_batch_is_each_sample_alone(kind):
    part, sizes = local(kind), [(13, 29), (1, 1), (7, 4), (4, 0)]
    tokens = graphs(sizes, padding=3)
    out = part(tokens)
    for row, (n, e) in enumerate(sizes):
        one = slice(row, row + 1)
        edges = Edges(*[each[one, :e] for each in (tokens.edges.source, tokens.edges.target, tokens.edges.features)])
        torch.testing.assert_close(out[row, :n], part(Tokens(tokens.features[one, :n], edges=edges))[0], **EXACT)
        assert not out[row, n:].any()


@every_kind
def test_neither_the_order_of_the_tokens_nor_that_of_the_edges_matters(kind):
    part, tokens = local(kind), graphs([(9, 17)])
    order, shuffled = torch.randperm(9), torch.randperm(17)
    place, edges = order.argsort(), tokens.edges
    moved = Edges(
        place[edges.source][:, shuffled], place[edges.target][:, shuffled], edges.features[:, shuffled], edges.mask
    )
    found = part(Tokens(tokens.features[:, order], tokens.mask[:, order], edges=moved))
    torch.testing.assert_close(found, part(tokens)[:, order], **EXACT)


def test_token_that_no_edge_leaves_gets_nothing_by_attention_and_its_own_by_messages():
    edges = Edges(torch.tensor([[0]]), torch.tensor([[1]]), torch.zeros(1, 1, 3, dtype=torch.float64))
    tokens = Tokens(torch.randn(1, 3, WIDTH, dtype=torch.float64), edges=edges)
    attended = local("attention")(tokens)
    assert bool(attended[0, 0].any())
    assert not attended[0, 1:].any()
    part = local("messages")
    own = part.part.mlp((1 + part.part.epsilon) * part.part.norm(tokens.features[0, 1:]))
    torch.testing.assert_close(part(tokens)[0, 1:], own, **EXACT)


@every_kind
@pytest.mark.parametrize("sizes", [(0, 5, 4), (2, 0, 0), (0, 0, 0)], ids=str)
def test_no_samples_and_no_tokens(kind, sizes):
    batch, length, number = sizes
    part, none = local(kind), torch.zeros(batch, number, dtype=torch.int64)
    edges = Edges(none, none, torch.zeros(batch, number, 3, dtype=torch.float64))
    features = torch.ones(batch, length, WIDTH, dtype=torch.float64, requires_grad=True)
    for mask in (None, torch.ones(batch, length, dtype=torch.bool)):
        out = part(Tokens(features, mask, edges=edges))
        assert out.shape == features.shape
        out.sum().backward()


@every_kind
def test_memory_for_the_gradients_grows_linearly_with_tokens_and_edges(kind):
    part = LocalEdges(WIDTH, HEADS, edge_features=3, kind=kind)

    def saved(length: int) -> int:
        sizes: list[int] = []
        tokens = graphs([(length, 3 * length)] * 2)
        edges = tokens.edges
        edges = Edges(edges.source, edges.target, edges.features.float(), edges.mask)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            part(tokens.with_features(tokens.features.float()).with_edges(edges))
        return sum(sizes)

    assert saved(1024) <= 2.05 * saved(512)


class WithTensors(nn.Module):
    """An exported program takes tensors."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, features: Tensor, mask: Tensor, source: Tensor, target: Tensor, carried: Tensor, real: Tensor):
        return self.part(Tokens(features, mask, edges=Edges(source, target, carried, real)))


def tensors(tokens: Tokens) -> tuple[Tensor, ...]:
    edges = tokens.edges
    return tokens.features, tokens.mask, edges.source, edges.target, edges.features, edges.mask


@every_kind
def test_compiled_and_exported_equal_eager(kind, fresh_compiler):
    part, tokens = local(kind), graphs([(13, 29), (7, 4)], padding=1)
    compiled = torch.compile(part, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), part(tokens), rtol=1e-12, atol=1e-12)
    batch, length, number = (torch.export.Dim.DYNAMIC for _ in range(3))
    of_tokens, of_edges = {0: batch, 1: length}, {0: batch, 1: number}
    program = torch.export.export(
        WithTensors(part), tensors(tokens), dynamic_shapes=(*[of_tokens] * 2, *[of_edges] * 4), strict=False
    ).module()
    for sizes in ([(13, 29), (7, 4)], [(3, 5)], [(4, 2), (3, 9), (5, 1)]):
        other = graphs(sizes)
        torch.testing.assert_close(program(*tensors(other)), part(other), rtol=1e-12, atol=1e-12)


@every_kind
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_lower_precision_is_close_and_keeps_its_dtype(kind, training):
    low = local(kind).to(torch.bfloat16).train(training)
    high = local(kind).train(training)
    high.load_state_dict(low.state_dict())
    tokens = graphs([(7, 13), (5, 4)])
    low_tokens, given = moving(tokens.with_features(tokens.features.to(torch.bfloat16)))
    found = low(low_tokens)
    exact = high(tokens.with_features(low_tokens.features.double()))
    assert found.dtype == torch.bfloat16
    error = (found.double() - exact).norm() / exact.norm()
    assert error < 0.05  # eight bits of mantissa, a few of them lost in sums
    for gradient in torch.autograd.grad(found.float().sum(), [given[0], *low.parameters()]):
        assert gradient.dtype == torch.bfloat16
        assert bool(gradient.isfinite().all())


@every_kind
def test_autocast_runs_and_is_close(kind):
    part, tokens = local(kind).float(), graphs([(7, 13), (5, 4)])
    edges = tokens.edges
    tokens = tokens.with_features(tokens.features.float()).with_edges(
        Edges(edges.source, edges.target, edges.features.float(), edges.mask)
    )
    expected = part(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = part(tokens)
    assert (found.float() - expected).norm() < 0.05 * expected.norm()


@every_kind
def test_batch_norm_sees_all_real_tokens_at_once(kind):
    part = local(kind, norm=BatchNorm(WIDTH)).train()
    tokens = graphs([(7, 9), (3, 2)], padding=2)
    running = part.part.norm.running_mean.clone()
    found = part(tokens)
    moved = part.part.norm.running_mean - running
    torch.testing.assert_close(moved, 0.1 * (tokens.features[tokens.mask].mean(0) - running), **EXACT)
    assert bool(found.isfinite().all())


def test_layer_adds_both_branches():
    attention, near = FullAttention(WIDTH, HEADS).double(), local("messages")
    layer = EncoderLayer(attention, FeedForward(WIDTH, 17).double(), local=near)
    tokens, scale = graphs([(7, 9), (3, 2)]), torch.tensor(0.7, dtype=torch.float64)
    middle = tokens.features + scale * (attention(tokens) + near(tokens))
    torch.testing.assert_close(layer(tokens, scale).features, middle + scale * layer.feed_forward(middle), **EXACT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "message"}, "kind is 'message'; did you mean 'messages'"),
        ({"edge_features": -1}, "edge_features is -1, expected at least 0"),
        ({"kind": "attention", "edge_features": -1}, "edge_features is -1, expected at least 0"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalEdges(WIDTH, HEADS, **{"edge_features": 3, **arguments})


@every_kind
def test_tokens_without_edges_or_with_others_are_refused(kind):
    part, tokens = local(kind), graphs([(3, 2)])
    edges = tokens.edges
    with pytest.raises(InputError, match="the tokens have no edges, expected those of graphs"):
        part(tokens.with_edges(None))
    with pytest.raises(InputError, match="edges have 2 features, expected edge_features = 3"):
        part(tokens.with_edges(Edges(edges.source, edges.target, edges.features[..., :2], edges.mask)))
    with pytest.raises(InputError, match="edges have 3 features, expected edge_features = 0"):
        local(kind, 0)(tokens)
    with pytest.raises(InputError, match="the target of an edge has index 3, expected 0 to 2: there are 3 tokens"):
        part(tokens.with_edges(Edges(edges.source, torch.full_like(edges.target, 3), edges.features)))


# In a model


def model(embed: dict, inputs: dict, **settings: object) -> TokenModel:
    made = ModelSettings(width=8, layers=2, heads=2, feedforward=16, residual_scale=0.7, embed=embed, **settings)
    return TokenModel(made, inputs, 3).double().eval()


@pytest.mark.parametrize("edge_tokens", ["each", "pair", "none"])
@every_kind
def test_graphs_hear_along_their_edges_whether_these_are_tokens_or_not(kind, edge_tokens):
    made = model(
        {"name": "graph", "edge_tokens": edge_tokens},
        {"features": 2, "edge_features": 1},
        attention={"name": "samsa", "sampled": 1},
        local={"name": "edges", "kind": kind},
    )
    assert all(isinstance(layer.local, LocalEdges) for layer in made.encoder.layers)
    source, target = torch.tensor([[0, 1, 1, 2]]), torch.tensor([[1, 0, 2, 1]])
    nodes, carried = torch.randn(1, 4, 2, dtype=torch.float64), torch.randn(1, 4, 1, dtype=torch.float64)
    carried[0, 1::2] = carried[0, ::2]
    given = carried.clone().requires_grad_()
    made(Tokens(nodes, edges=Edges(source, target, given))).square().sum().backward()
    assert bool(given.grad.all())
    for name, parameter in made.encoder.layers.named_parameters():
        if ".local." in name and not name.endswith(("query.bias", "key_value.bias")):
            assert bool(parameter.grad.any()), name


@every_kind
@pytest.mark.parametrize("invariant", [True, False])
def test_clouds_hear_from_their_nearest_points_and_may_turn_where_they_are_invariant(kind, invariant):
    made = model(
        {"name": "point_cloud", "neighbours": 3, "invariant": invariant},
        {"normals": True},
        attention={"name": "full"},
        local={"name": "edges", "kind": kind},
    )
    mask = torch.arange(9) < torch.tensor([9, 4])[:, None]
    points = torch.randn(2, 9, 3, dtype=torch.float64)
    normals = nn.functional.normalize(torch.randn(2, 9, 3, dtype=torch.float64), dim=-1)
    empty = torch.zeros(2, 9, 0, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    found = made(Tokens(empty, mask, coordinates=points, normals=normals))
    turned = made(Tokens(empty, mask, coordinates=points @ turn, normals=normals @ turn))
    assert torch.allclose(turned, found, rtol=1e-8, atol=1e-8) == invariant


def test_names_of_local_parts_are_settings():
    assert {"window": WindowAttention, "edges": LocalEdges} == dict(LOCALS)
    near = model({"name": "sequence"}, {"vocabulary": 9}, local={"name": "window", "window": 3})
    assert [layer.local.mixing.window for layer in near.encoder.layers] == [3, 3]
    for embed in (GraphEmbed(8, features=1, edge_features=5), PointCloudEmbed(8, neighbours=2)):
        told = told_local(Component(name="edges"), embed, "model.local")
        assert told.arguments == {"edge_features": embed.edge_features}
    assert told_local(Component(name="edges", edge_features=1), SequenceEmbed(8, features=1), "model.local").arguments


@pytest.mark.parametrize(
    ("embed", "inputs", "local", "message"),
    [
        (
            {"name": "sequence"},
            {"vocabulary": 9},
            {"name": "edges"},
            "model.local.name: 'edges' needs tokens with edges, and SequenceEmbed makes none; allowed with",
        ),
        (
            {"name": "point_cloud", "neighbours": 0},
            {},
            {"name": "edges"},
            "model.local.name: 'edges' needs tokens with edges, and PointCloudEmbed makes none",
        ),
        ({"name": "sequence"}, {"vocabulary": 9}, {"name": "windw"}, "model.local.name: .*did you mean 'window'"),
        (
            {"name": "sequence"},
            {"vocabulary": 9},
            {"name": "window", "windows": 3},
            "model.local.windows: unknown setting; did you mean 'window'",
        ),
        (
            {"name": "sequence"},
            {"vocabulary": 9},
            {"name": "window", "window": -1},
            "model.local: window is -1, expected at least 0",
        ),
    ],
)
def test_settings_that_cannot_be_are_one_line_that_names_them(embed, inputs, local, message):
    with pytest.raises(InputError, match=message):
        model(embed, inputs, local=local)
