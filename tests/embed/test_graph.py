"""Graphs into tokens: nodes, then edges, against loops over the formulas; padding, order, bad input."""

import pytest
import torch
import torch.nn.functional as F

from sampleformer.edges import Edges
from sampleformer.embed import EMBEDS, GraphEmbed
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens

WIDTH = 6
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def graphs(sizes: list[tuple[int, int]], padding: int = 0, directed: bool = False, seed: int = 0) -> Tokens:
    """Random graphs of so many nodes and edges; undirected ones list both directions one after the other."""
    random = torch.Generator().manual_seed(seed)
    nodes, edges = max(n for n, _ in sizes) + padding, max(e for _, e in sizes) + padding
    mask = torch.arange(nodes) < torch.tensor([n for n, _ in sizes])[:, None]
    ends = torch.stack([torch.randint(max(1, n), (edges, 2), generator=random) for n, _ in sizes])
    carried = torch.randn(len(sizes), edges, 3, generator=random, dtype=torch.float64)
    edge_mask = torch.arange(edges) < torch.tensor([e for _, e in sizes])[:, None]
    if not directed:
        ends = torch.stack([ends, ends.flip(-1)], dim=2).flatten(1, 2)
        carried, edge_mask = carried.repeat_interleave(2, 1), edge_mask.repeat_interleave(2, 1)
    shape = (len(sizes), nodes)
    return Tokens(
        torch.stack([torch.randint(v, shape, generator=random) for v in (5, 3)], dim=-1),
        mask,
        encodings=torch.randn(*shape, 2, generator=random, dtype=torch.float64),
        identifiers=torch.randn(*shape, 4, generator=random, dtype=torch.float64),
        edges=Edges(ends[..., 0].contiguous(), ends[..., 1].contiguous(), carried, edge_mask),
    )


def made(**changes: object) -> GraphEmbed:
    arguments = {"vocabularies": [5, 3], "edge_features": 3, "encodings": 2, "identifiers": 4}
    embed = GraphEmbed(WIDTH, **{**arguments, **changes}).double()
    with torch.no_grad():
        for parameter in embed.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return embed


def looped(embed: GraphEmbed, tokens: Tokens, row: int) -> list[torch.Tensor]:
    """The tokens of one graph by the formulas, node by node and edge by edge."""
    a, b = F.softplus(embed.scale).chunk(2)
    side_a, side_b = embed.identify.weight.chunk(2)
    side_c, side_d = embed.sides.weight.chunk(2)
    left, right, result = {}, {}, []
    for i in torch.nonzero(tokens.mask[row]).flatten().tolist():
        first, second = tokens.features[row, i].tolist()
        carried = embed.node.table.weight[first] + embed.node.table.weight[5 + second]
        carried = carried + embed.encode.weight @ tokens.encodings[row, i]
        left[i] = a * (side_a @ tokens.identifiers[row, i]) + side_c @ carried
        right[i] = b * (side_b @ tokens.identifiers[row, i]) + side_d @ carried
        result.append(carried + left[i] + right[i])
    edges = tokens.edges
    each = [
        embed.edge.weight @ edges.features[row, e] + embed.edge.bias + left[int(s)] - right[int(t)]
        for e, (s, t) in enumerate(zip(edges.source[row], edges.target[row], strict=True))
        if edges.mask[row, e]
    ]
    if embed.edge_tokens == "each":
        return result + each
    if embed.edge_tokens == "pair":
        return result + [(each[e] + each[e + 1]) / 2 for e in range(0, len(each), 2)]
    return result


@pytest.mark.parametrize("edge_tokens", ["each", "pair", "none"])
def test_tokens_equal_the_formulas(edge_tokens):
    embed, tokens = made(edge_tokens=edge_tokens), graphs([(5, 7), (3, 2), (1, 0)], padding=2)
    found = embed(tokens)
    for row in range(3):
        expected = looped(embed, tokens, row)
        assert int(found.mask[row].sum()) == len(expected)
        torch.testing.assert_close(found.features[row, found.mask[row]], torch.stack(expected), **EXACT)
    assert not found.features[~found.mask].any()


def ends(tokens: Tokens, row: int) -> list[tuple[int, int, tuple[float, ...]]]:
    """The real edges of one set: where from, where to, and what they carry."""
    edges, real = tokens.edges, tokens.edges.mask[row]
    carried = [tuple(features) for features in edges.features[row, real].tolist()]
    return list(zip(edges.source[row, real].tolist(), edges.target[row, real].tolist(), carried, strict=True))


@pytest.mark.parametrize("edge_tokens", ["each", "pair", "none"])
def test_edges_join_the_nodes_as_before_and_each_edge_token_with_its_two_ends(edge_tokens):
    embed, tokens = made(edge_tokens=edge_tokens), graphs([(5, 7), (3, 2), (1, 0)], padding=2)
    found = embed(tokens)
    assert embed.edge_features == found.edges.features.shape[2] == 3
    for row in range(3):
        given = ends(tokens, row)
        expected = list(given)
        for token, (source, target, carried) in enumerate(given[:: 2 if edge_tokens == "pair" else 1]):
            own = tokens.length + token
            if edge_tokens != "none":
                expected += [(own, source, carried), (own, target, carried)]
                expected += [(source, own, carried), (target, own, carried)]
        assert sorted(ends(found, row)) == sorted(expected)
        for source, target, _ in ends(found, row):
            assert bool(found.mask[row, source])
            assert bool(found.mask[row, target])


def test_every_parameter_gets_a_gradient():
    embed = made()
    embed(graphs([(5, 7), (3, 2)])).features.square().sum().backward()
    for name, parameter in embed.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("content", [float("nan"), 1e9])
def test_padding_changes_nothing(content):
    embed, tokens = made(), graphs([(5, 7), (3, 2)], padding=3)
    noisy = Tokens(
        tokens.features.masked_fill(~tokens.mask[..., None], 1),
        tokens.mask,
        encodings=tokens.encodings.masked_fill(~tokens.mask[..., None], content),
        identifiers=tokens.identifiers.masked_fill(~tokens.mask[..., None], content),
        edges=Edges(
            tokens.edges.source.masked_fill(~tokens.edges.mask, 1),
            tokens.edges.target,
            tokens.edges.features.masked_fill(~tokens.edges.mask[..., None], content),
            tokens.edges.mask,
        ),
    )
    torch.testing.assert_close(embed(noisy).features, embed(tokens).features, rtol=0, atol=0)


def test_permuting_the_nodes_permutes_their_tokens_and_keeps_those_of_the_edges():
    embed, tokens = made(), graphs([(7, 9)])
    order = torch.randperm(7)
    place = order.argsort()
    moved = Tokens(
        tokens.features[:, order],
        tokens.mask[:, order],
        encodings=tokens.encodings[:, order],
        identifiers=tokens.identifiers[:, order],
        edges=Edges(place[tokens.edges.source], place[tokens.edges.target], tokens.edges.features, tokens.edges.mask),
    )
    found, expected = embed(moved).features, embed(tokens).features
    torch.testing.assert_close(found, torch.cat([expected[:, :7][:, order], expected[:, 7:]], dim=1), **EXACT)


def test_a_pair_does_not_tell_its_two_directions_apart():
    embed, tokens = made(edge_tokens="pair"), graphs([(5, 7)])
    turned = Tokens(
        tokens.features,
        tokens.mask,
        encodings=tokens.encodings,
        identifiers=tokens.identifiers,
        edges=Edges(tokens.edges.target, tokens.edges.source, tokens.edges.features, tokens.edges.mask),
    )
    torch.testing.assert_close(embed(turned).features, embed(tokens).features, **EXACT)


def test_numbers_and_nothing_at_all_are_node_features_too():
    edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 0))
    numbers = GraphEmbed(WIDTH, features=2)(Tokens(torch.randn(1, 3, 2), edges=edges))
    assert numbers.features.shape == (1, 4, WIDTH)
    assert numbers.mask is None
    nothing = GraphEmbed(WIDTH, features=0)(Tokens(torch.zeros(1, 3, 0), edges=edges)).features
    torch.testing.assert_close(nothing[0, 0], nothing[0, 2])


def test_directed_edges_are_tokens_of_their_own():
    embed, tokens = made(directed=True), graphs([(4, 3)], directed=True)
    assert embed.edge_tokens == "each"
    assert embed(tokens).length == 4 + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabularies": None}, "vocabularies is None and features is None, expected exactly one"),
        ({"features": 2}, "expected exactly one"),
        ({"vocabularies": [3, 0]}, r"vocabularies is \[3, 0\], expected at least one number of at least 1"),
        ({"identifiers": -1}, "identifiers is -1, expected at least 0"),
        ({"edge_tokens": "pairs"}, "edge_tokens is 'pairs'; did you mean 'pair'"),
        ({"edge_tokens": "pair", "directed": True}, "expected 'each' or 'none' where edges are directed"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphEmbed(WIDTH, **({"vocabularies": [5, 3]} | arguments))


@pytest.mark.parametrize("missing", ["edges", "encodings", "identifiers"])
def test_tokens_without_what_the_model_needs_are_refused(missing):
    tokens = graphs([(3, 2)])
    given = {name: getattr(tokens, name) for name in ("mask", "encodings", "identifiers", "edges") if name != missing}
    with pytest.raises(InputError, match=f"the tokens have no(ne of the)? {missing}"):
        made()(Tokens(tokens.features, **given))


def test_it_is_registered():
    assert EMBEDS["graph"] is GraphEmbed


def test_edges_of_both_directions_are_put_beside_each_other() -> None:
    geometric = pytest.importorskip("torch_geometric.data")
    ends = torch.tensor([[0, 0, 1, 1, 2, 2, 2], [1, 2, 0, 2, 0, 1, 1]])  # as PyG sorts them, one edge twice
    ends = torch.cat([ends, torch.tensor([[1], [2]])], dim=1)
    carried = torch.arange(8.0)[:, None]
    embed = GraphEmbed(WIDTH, vocabularies=[1], edge_features=1).double()
    found = []
    for order in (torch.arange(8), torch.tensor([2, 0, 4, 1, 7, 6, 5, 3])):
        graph = geometric.Data(edge_index=ends[:, order], edge_attr=carried[order], num_nodes=3)
        tokens = Tokens.from_pyg(geometric.Batch.from_data_list([graph, graph]))
        assert tokens.edges is not None
        assert torch.equal(tokens.edges.source[:, ::2], tokens.edges.target[:, 1::2])
        found.append(embed(tokens).features[:, 3:].sum(1))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("ends", [[[0, 1], [1, 2]], [[0, 1, 1], [1, 0, 2]]], ids=["other", "odd"])
def test_a_pair_is_an_edge_and_its_reverse(ends: list[list[int]]) -> None:
    source, target = torch.tensor(ends)[:, None]
    edges = Edges(source, target, torch.zeros(1, source.shape[1], 1))
    with pytest.raises(InputError, match="edge_tokens is 'pair', but some edge is not followed by its reverse"):
        GraphEmbed(WIDTH, vocabularies=[3], edge_features=1)(
            Tokens(torch.zeros(1, 3, 1, dtype=torch.int64), edges=edges)
        )
