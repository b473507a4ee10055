"""The tokens of all chunks as one set: nothing is lost, nothing of padding is kept, edges join the same tokens."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sampleformer.edges import Edges
from sampleformer.functional.edge_sums import edge_messages
from sampleformer.joined import Joined
from sampleformer.tokens import Tokens

SIZES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=3)


def _chunk(sizes: list[int], generator: torch.Generator, masked: bool) -> Tokens:
    length = max(sizes)
    mask = torch.arange(length) < torch.tensor(sizes)[:, None]
    counts = [size * (size > 0) for size in sizes]  # as many edges as tokens
    ends = torch.zeros(2, len(sizes), max(counts), dtype=torch.int64)
    real = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    for row, size in enumerate(sizes):
        ends[:, row, :size] = torch.randint(max(size, 1), (2, size), generator=generator)
    features = torch.randn(len(sizes), length, 3, generator=generator, dtype=torch.float64)
    of_edges = torch.randn(len(sizes), max(counts), 3, generator=generator, dtype=torch.float64)
    edges = Edges(ends[0], ends[1], of_edges, None if bool(real.all()) and not masked else real)
    return Tokens(features, None if bool(mask.all()) and not masked else mask, edges=edges)


def _real(values: Tensor, tokens: Tokens) -> Tensor:
    return values.flatten(0, 1) if tokens.mask is None else values[tokens.mask]


@given(SIZES, st.booleans(), st.integers(0, 9))
def test_joining_and_taking_apart_gives_the_real_tokens_back(sizes: list[list[int]], masked: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    chunks = [_chunk(each, generator, masked) for each in sizes]
    joined = Joined.of(chunks)
    assert joined.tokens.features.shape == (1, sum(map(sum, sizes)), 3)
    assert joined.tokens.mask is None
    assert joined.samples.tolist() == [
        sample for sample, size in enumerate(size for each in sizes for size in each) for _ in range(size)
    ]
    for before, after in zip(chunks, joined.apart(), strict=True):
        assert torch.equal(_real(after.features, before), _real(before.features, before))
        if before.mask is not None:
            assert not after.features[~before.mask].any()
            assert after.mask is before.mask
    assert torch.equal(joined.join([each.features for each in chunks]), joined.tokens.features)


@given(SIZES, st.booleans(), st.integers(0, 9))
def test_what_goes_along_edges_is_what_each_chunk_gives(sizes: list[list[int]], masked: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    chunks = [_chunk(each, generator, masked) for each in sizes]
    joined = Joined.of(chunks)

    def heard(tokens: Tokens) -> Tensor:
        assert tokens.edges is not None
        edges = tokens.edges
        return edge_messages(tokens.features, edges.source, edges.target, edges.features, edges.mask)

    torch.testing.assert_close(heard(joined.tokens), joined.join([heard(each) for each in chunks]))


def test_chunks_without_edges_have_none_together() -> None:
    assert Joined.of([Tokens(torch.zeros(1, 2, 3)), Tokens(torch.zeros(2, 1, 3))]).tokens.edges is None


def test_gradients_reach_real_tokens_alone() -> None:
    features = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    joined = Joined.of([Tokens(features, mask)])
    (joined.with_features(2 * joined.tokens.features).apart()[0].features ** 2).sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, 8 * features.detach() * mask[:, :, None])
