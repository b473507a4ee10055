"""Exchanges between ranks, and what each of them is where a process has all tokens."""

import contextlib
import io
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sampleformer import Tokens
from sampleformer.distributed import Shard, gather_tokens, over_shards, shard_edges, shard_tokens, token_parallel
from sampleformer.distributed.edge_halo import with_targets
from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.heads import PairHead
from tests.attention.variations import WIDTH, build
from tests.distributed.shards import join_group
from tests.training.ranks import Ranks

EXAMPLE = Path(__file__).parents[2] / "examples" / "token_parallel.py"
CUTS = [(4, 3), (7, 0), (0, 7), (1, 6)]
TOTAL = 7


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    """Two processes."""
    two = Ranks(2)
    yield two
    two.close()


@pytest.mark.parametrize("reach", [0, 1, 3, 9])
@pytest.mark.parametrize("cut", [(2, 0, 1, 4), (3, 3), (0, 5), (5, 0), (1, 1, 1, 1, 3)])
def test_a_halo_is_what_lies_around_the_tokens_of_a_rank(cut: tuple[int, ...], reach: int) -> None:
    for rank in range(len(cut)):
        shard = Shard(None, rank, cut)
        before, after = shard.halo(rank, reach)
        everything = list(range(sum(cut)))
        first, end = shard.offset, shard.offset + shard.length
        assert list(before) == everything[max(0, first - reach) : first]
        assert list(after) == everything[end : end + reach]


def exchanged(cut: tuple[int, int]) -> dict[str, Tensor]:
    """What one rank gets of numbers 0, 1, 2, … of all tokens, and gradients of its own."""
    join_group()
    rank = dist.get_rank()
    shard = Shard(None, rank, cut)
    own = torch.arange(TOTAL, dtype=torch.float64)[shard.offset : shard.offset + shard.length]
    values = own[None, None, :, None].clone().requires_grad_()
    found = {}
    with token_parallel(None, len(own)):
        around, mine = over_shards.with_halo(values, 2)
        found["around"] = around.detach().flatten()
        found["mine"] = around[:, :, mine].detach().flatten()
        # Each rank multiplies by numbers of its own: the gradient says who got a value.
        (around.sum() * (1 + 9 * rank)).backward()
        found["of_around"], values.grad = values.grad.flatten(), None
        everything = over_shards.joined(values)
        found["everything"] = everything.detach().flatten()
        (everything.sum() * (1 + 9 * rank)).backward()
        found["of_everything"] = values.grad.flatten()
        values.grad = None
        anywhere = over_shards.rows(values[0], torch.tensor([[6, 0, 3, 6]]))
        found["anywhere"] = anywhere.detach().flatten()
        (anywhere.sum() * (1 + 9 * rank)).backward()
        found["of_anywhere"] = values.grad.flatten()
        torch.manual_seed(3)
        pairs, everyone = torch.tensor([[[0, 6], [2, 5]]]), torch.randn(1, TOTAL, 4)
        found["pairs"] = PairHead(4, 2)(everyone[:, shard.offset :][:, : len(own)], pairs).detach()
        found["agreed"] = over_shards.agreed(torch.tensor([rank + 5]))
        found["any"] = over_shards.any_of(torch.tensor([rank == 1, False]))
        found["logs"] = over_shards.log_sum_exp(torch.tensor([float(rank)], dtype=torch.float64))
        found["places"] = over_shards.places(len(own), torch.device("cpu"))
    tokens = Tokens(torch.arange(TOTAL)[None], torch.arange(TOTAL)[None] < 6)
    shared = shard_tokens(tokens, None)
    lengths = (4, 3)
    found["shared"] = gather_tokens(shared.features, None, lengths)
    found["shared_positions"] = shared.positions[0]
    return found


@pytest.mark.parametrize("cut", CUTS)
def test_exchanges(ranks: Ranks, cut: tuple[int, int]) -> None:
    of_ranks = ranks.run(exchanged, cut)
    everything = torch.arange(TOTAL, dtype=torch.float64)
    for rank, found in enumerate(of_ranks):
        first, end = (0, cut[0]) if rank == 0 else (cut[0], TOTAL)
        assert torch.equal(found["around"], everything[max(0, first - 2) : end + 2])
        assert torch.equal(found["mine"], everything[first:end])
        of_others = [
            (1 + 9 * rank) + (10 - 9 * rank) * (1 if _is_near(place, cut, 1 - rank) else 0)
            for place in range(first, end)
        ]
        assert found["of_around"].tolist() == of_others
        assert torch.equal(found["everything"], everything)
        assert found["of_everything"].tolist() == [11.0] * (end - first)
        assert found["anywhere"].tolist() == [6, 0, 3, 6]
        assert found["of_anywhere"].tolist() == [{0: 11, 3: 11, 6: 22}.get(place, 0) for place in range(first, end)]
        torch.manual_seed(3)
        pairs, everyone = torch.tensor([[[0, 6], [2, 5]]]), torch.randn(1, TOTAL, 4)
        torch.testing.assert_close(found["pairs"], PairHead(4, 2)(everyone, pairs).detach())
        assert found["agreed"].tolist() == [5]
        assert found["any"].tolist() == [True, False]
        torch.testing.assert_close(found["logs"], torch.tensor([0.0, 1.0], dtype=torch.float64).logsumexp(0)[None])
        assert found["places"].tolist() == list(range(first, end))
        assert found["shared"].tolist() == [list(range(TOTAL))]
        assert found["shared_positions"].tolist() == ([0, 1, 2, 3], [4, 5, 6])[rank]


def _is_near(place: int, cut: tuple[int, int], other: int) -> bool:
    """Whether a token is in the halo of the other rank."""
    first, end = (0, cut[0]) if other == 0 else (cut[0], TOTAL)
    return first - 2 <= place < end + 2


def test_a_mesh_of_two_dimensions_is_refused_and_wrong_edges_are(ranks: Ranks) -> None:
    of_ranks = ranks.run(refused)
    for said in of_ranks:
        assert "mesh has 2 dimensions, expected 1" in said[0]
        assert said[1] == "the target of an edge has index 4, expected 0 to 3"
        assert "used outside of token_parallel" in said[2]
    (*_, first), (*_, second) = of_ranks
    assert first == "an edge of another rank has an index outside 0 to 3"
    assert second == "the source of an edge has index -1, expected 0 to 3"


def cut_edges() -> Edges:
    """Edges of one rank, of two samples."""
    join_group()
    source, target = torch.tensor([[0, 5, 1, 6, 2, 0], [3, 3, 3, 3, 0, 0]]), torch.tensor([[5, 5, 5, 0, 0, 4], [4] * 6])
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    return shard_edges(Edges(source, target, torch.arange(12.0).view(2, 6, 1), mask), None, (4, 3))


def test_a_rank_gets_each_token_once_that_its_edges_enter(ranks: Ranks) -> None:
    first, second = ranks.run(cut_edges)
    assert (first.halo.sent, first.halo.received, first.halo.length) == ((0, 1), (0, 3), 2)
    assert (second.halo.sent, second.halo.received, second.halo.length) == ((3, 0), (1, 0), 1)
    assert first.halo.rows.tolist() == [0]
    assert second.halo.rows.tolist() == [0, 1, 3]  # tokens 4 and 5 of one sample, 4 of the other
    assert first.source.tolist() == [[0, 1, 2, 0], [3, 3, 3, 3]]
    assert first.target.tolist() == [[5, 5, 0, 4], [4, 4, 4, 4]]
    assert first.features[..., 0].tolist() == [[0, 2, 4, 5], [6, 7, 8, 9]]
    assert second.source[0].tolist() == [1, 2]
    assert second.target[0].tolist() == [1, 3]
    assert not second.mask[1].any()


def compiled() -> tuple[Tensor, Tensor]:
    """What an attention gives as it is and compiled."""
    join_group()
    attention, features = build("samsa-hard").eval(), torch.randn(1, 3, WIDTH, dtype=torch.float64)
    also = torch.compile(attention, fullgraph=True)
    with token_parallel(None, 3), torch.no_grad():
        return attention(features), also(features)


def test_compiled_modules_run_as_they_are(ranks: Ranks) -> None:
    for eager, found in ranks.run(compiled):
        assert torch.equal(eager, found)


def shown() -> str:
    """What the example prints."""
    printed = io.StringIO()
    join_group()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return printed.getvalue()


def test_the_example_trains_as_one_process_does(ranks: Ranks) -> None:
    one = Ranks(1)
    alone = one.run(shown)[0]
    one.close()
    printed, of_second = ranks.run(shown)
    assert of_second == ""
    losses = [[float(loss) for loss in re.findall(r"loss ([\d.]+)", each)] for each in (alone, printed)]
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # float32
    assert "1000 of 2000 tokens here" in printed


def refused() -> list[str]:
    """Messages of what is refused."""
    from torch.distributed.device_mesh import init_device_mesh

    join_group()
    mesh = init_device_mesh("cpu", (1, 2), mesh_dim_names=("batch", "tokens"))
    inside, outside, of_one = (
        Edges(torch.tensor([[source]]), torch.tensor([[target]]), torch.zeros(1, 1, 3))
        for source, target in ((0, 3), (0, 4), (-dist.get_rank(), 0))
    )
    tokens = Tokens(torch.zeros(1, 4, 2))
    cut = shard_tokens(tokens.with_edges(inside), None)
    said = []
    for work in (
        lambda: shard_tokens(tokens, mesh),
        lambda: shard_tokens(tokens.with_edges(outside), None),
        lambda: with_targets(cut.features, cut.edges),
        lambda: shard_edges(of_one, None, (2, 2)),
    ):
        try:
            work()
        except InputError as error:
            said.append(str(error))
    # One dimension of it is what is asked for.
    assert shard_tokens(Tokens(torch.zeros(1, 4, 2)), mesh["tokens"]).length == 2
    return said


def test_without_a_process_group_nothing_is_shared() -> None:
    with pytest.raises(InputError, match="there is no process group"), token_parallel(None, 3):
        pass
    values = torch.randn(1, 1, 3, 2)
    assert over_shards.joined(values) is values
    assert over_shards.with_halo(values, 2) == (values, slice(0, 3))
    assert over_shards.total_length(3) == 3
