"""Sampled attention over batches of graphs of PyTorch Geometric."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINConv, GPSConv, Sequential

from sampleformer import Edges, SampledMultiheadAttention, Tokens, swap
from sampleformer.attention import Attention
from sampleformer.errors import InputError
from sampleformer.integrations.pyg import SampledGraphAttention

WIDTH, HEADS, SIZES = 8, 2, [5, 1, 9, 40, 4]
METHODS = {
    "samsa": {"sampled": 3},
    "sft": {"sampled": 3, "relative": {"name": "edges", "features": 2}},
    "yoso": {"hashes": 4, "code_length": 3},
}


def graphs() -> list[Data]:
    return [
        Data(
            x=torch.randn(size, WIDTH, dtype=torch.float64),
            edge_index=torch.randint(size, (2, 2 * size)),
            edge_attr=torch.randn(2 * size, 2, dtype=torch.float64),
            pos=torch.randn(size, 3),
        )
        for size in SIZES
    ]


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_each_graph_gives_alone(method: str) -> None:
    layer = SampledGraphAttention(WIDTH, HEADS, attention=method, **METHODS[method]).double().eval()
    each = graphs()
    batch = Batch.from_data_list(each)
    result = layer(batch.x, batch.edge_index, batch.batch, batch.edge_attr)
    alone = torch.cat([layer(one.x, one.edge_index, edge_attr=one.edge_attr) for one in each])
    torch.testing.assert_close(result, alone, rtol=0, atol=1e-10)
    direct = layer.attention(Tokens.from_pyg(batch))
    torch.testing.assert_close(result, direct[Tokens.from_pyg(batch).mask], rtol=0, atol=1e-10)


def test_nodes_may_be_in_any_order_and_edges_may_be_left_out() -> None:
    layer = SampledGraphAttention(WIDTH, HEADS, sampled=3).double().eval()
    batch = Batch.from_data_list(graphs())
    expected = layer(batch.x, batch.batch)
    order = torch.randperm(len(batch.x))
    torch.testing.assert_close(layer(batch.x[order], batch.batch[order]), expected[order], rtol=0, atol=1e-10)
    assert layer(batch.x[:0], batch.batch[:0]).shape == (0, WIDTH)


def test_small_graphs_are_not_padded_to_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = SampledGraphAttention(WIDTH, HEADS, sampled=3)
    seen: list[tuple[int, int]] = []
    forward = Attention.forward

    def counting(self: Attention, tokens: Tokens) -> torch.Tensor:
        seen.append((tokens.batch, tokens.length))
        return forward(self, tokens)

    monkeypatch.setattr(type(layer.attention), "forward", counting)
    layer(torch.randn(63 * 5 + 500, WIDTH), torch.tensor([*[i for i in range(63) for _ in range(5)], *[63] * 500]))
    assert seen == [(63, 5), (1, 500)]


def test_it_learns_inside_a_model_of_geometric() -> None:
    model = Sequential(
        "x, edge_index, batch",
        [
            (SampledGraphAttention(WIDTH, HEADS, sampled=3), "x, edge_index, batch -> x"),
            (nn.Linear(WIDTH, 1), "x -> x"),
        ],
    )
    batch = Batch.from_data_list(graphs())
    model(batch.x.float(), batch.edge_index, batch.batch).square().sum().backward()
    assert all(each.grad is not None for each in model.parameters() if each.requires_grad)


def test_graph_gps_by_size_gives_the_same() -> None:
    gps = GPSConv(WIDTH, GINConv(nn.Linear(WIDTH, WIDTH)), heads=HEADS).double().eval()
    batch = Batch.from_data_list(graphs())
    expected = gps(batch.x, batch.edge_index, batch.batch)
    assert swap(gps, sampled=40, by_size=True) == 1
    result = gps(batch.x, batch.edge_index, batch.batch)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-10)
    gps.attn.attention.sampler.sampled = 3
    result = gps(batch.x, batch.edge_index, batch.batch)
    gps.attn.by_size = False
    torch.testing.assert_close(gps(batch.x, batch.edge_index, batch.batch), result, rtol=0, atol=1e-10)
    gps.attn.by_size = True
    gps.train()(batch.x, batch.edge_index, batch.batch).square().sum().backward()
    assert gps.attn.attention.sampler.scorer.score.weight.grad.abs().sum() > 0


def test_rows_by_size_may_have_gaps_and_nothing_at_all() -> None:
    layer = SampledMultiheadAttention(WIDTH, HEADS, batch_first=True, by_size=True, sampled=3).eval()
    x = torch.randn(4, 20, WIDTH)
    padding = torch.rand(4, 20) < 0.5
    padding[0], padding[1, 3:] = True, True
    result = layer(x, x, x, padding)[0]
    layer.by_size = False
    torch.testing.assert_close(result, layer(x, x, x, padding)[0])
    assert not result[0].any()


def test_tokens_and_edges_of_a_batch_are_those_of_its_graphs() -> None:
    each = graphs()
    tokens = Tokens.from_pyg(Batch.from_data_list(each))
    assert tokens.batch == len(SIZES)
    for row, one in enumerate(each):
        alone = Tokens.from_pyg(one)
        size, edges = SIZES[row], 2 * SIZES[row]
        assert alone.mask is None
        assert tokens.mask[row].sum() == size
        assert torch.equal(tokens.features[row, :size], one.x)
        assert torch.equal(tokens.coordinates[row, :size], one.pos)
        assert torch.equal(alone.features[0], one.x)
        for of in (tokens.edges, Edges.from_pyg(Batch.from_data_list(each))):
            assert torch.equal(torch.stack([of.source[row, :edges], of.target[row, :edges]]), one.edge_index)
            assert torch.equal(of.features[row, :edges], one.edge_attr)
            assert of.mask[row].sum() == edges
    plain = Tokens.from_pyg(
        Data(edge_index=torch.tensor([[0, 1], [1, 0]]), edge_attr=torch.tensor([1, 2]), num_nodes=3)
    )
    assert torch.equal(plain.features, torch.zeros(1, 3, dtype=torch.int64))
    assert torch.equal(plain.edges.features, torch.tensor([[[1.0], [2.0]]]))


def test_what_does_not_fit_is_refused() -> None:
    x, edge_index = torch.randn(4, WIDTH), torch.tensor([[0, 3], [1, 2]])
    layer = SampledGraphAttention(WIDTH, HEADS, **{"attention": "sft", **METHODS["sft"]})
    split = torch.tensor([0, 0, 0, 1])
    cases = [
        (lambda: layer(x), "edge_index is NoneType, expected a tensor (2, edges)"),
        (lambda: layer(x, edge_index, split, torch.zeros(2, 2)), "edge_index joins nodes of two graphs"),
        (lambda: layer(x, edge_index + 1, None), "edge_index holds an index outside 0 to 3, expected those of 4 nodes"),
        (lambda: layer(x, edge_index, None, torch.zeros(3, 2)), "edge_attr has shape (3, 2), expected (2, features)"),
        (lambda: layer(x[:, 1:], edge_index), "x has shape (4, 7), expected (nodes, channels = 8)"),
        (lambda: Edges.from_pyg(Data(x=x)), "data.edge_index is a NoneType, expected a tensor (2, edges)"),
        (lambda: Tokens.from_pyg(x), "data is a Tensor, expected torch_geometric.data.Data or Batch"),
        (lambda: SampledGraphAttention(WIDTH, 3), "heads is 3, expected a divisor of width = 8"),
        (lambda: SampledGraphAttention(WIDTH, 2, num_sampled=3), "num_sampled: unknown setting"),
    ]
    for call, message in cases:
        with pytest.raises(InputError) as caught:
            call()
        assert message in str(caught.value)
