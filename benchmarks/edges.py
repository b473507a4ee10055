"""Bytes that ranks which share the tokens of a graph send in a layer along its edges, against those of an all-gather.

python -m benchmarks.edges -o docs/edges.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sampleformer import Edges, Tokens
from sampleformer.attention import LocalEdges
from sampleformer.bench.ranks import in_ranks
from sampleformer.bench.shards_measure import bytes_written
from sampleformer.distributed import shard_tokens, token_parallel
from sampleformer.distributed.over_shards import joined

WIDTH = 64
NEIGHBOURS = 4
LENGTHS = (16_384, 65_536, 262_144)
RANKS = (2, 4)
FAR = (0.0, 0.001, 0.01, 0.1)
"""Shares of edges that lead anywhere; the others lead to the next tokens."""


def graph(length: int, far: float) -> Edges:
    """A ring in which each token is joined with the next ones, both ways, and some edges lead anywhere instead.

    Args:
        length: Number of tokens.
        far: Share of those edges.
    """
    random = torch.Generator().manual_seed(0)
    source = torch.arange(length).repeat_interleave(NEIGHBOURS)
    target = (source + torch.arange(1, NEIGHBOURS + 1).repeat(length)) % length
    anywhere = torch.rand(len(source), generator=random) < far
    target = torch.where(anywhere, torch.randint(0, length, source.shape, generator=random), target)
    ends = torch.stack([torch.cat([source, target]), torch.cat([target, source])])[:, None]
    return Edges(ends[0], ends[1], torch.zeros(1, ends.shape[2], 0))


def sent(work: Callable[[], object]) -> int:
    """Bytes that the rank which sends most writes in a call."""
    dist.barrier()
    before = bytes_written()
    work()
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, bytes_written() - before)
    return max(found)


def cell(length: int, far: float) -> dict[str, Any]:
    """What a rank sends for one graph."""
    torch.manual_seed(0)
    edges, layer = graph(length, far), LocalEdges(WIDTH, 1, edge_features=0)
    ends = torch.arange(dist.get_world_size() + 1) * -(-length // dist.get_world_size())
    cut = torch.bucketize(edges.source, ends, right=True) != torch.bucketize(edges.target, ends, right=True)
    shared: list[Tokens] = []
    tokens = Tokens(torch.randn(1, length, WIDTH), edges=edges)
    once = sent(lambda: shared.append(shard_tokens(tokens, None)))
    mine = shared[0].with_features(shared[0].features.clone().requires_grad_())
    results: list[Tensor] = []

    def forward() -> None:
        with token_parallel(None, mine.length):
            results.append(layer(mine))

    def gather() -> None:
        with token_parallel(None, mine.length), torch.no_grad():
            joined(mine.features[:, None])

    forward()  # connections are made
    assert mine.edges is not None
    assert mine.edges.halo is not None
    return {
        "n": length,
        "ranks": dist.get_world_size(),
        "far": far,
        "edges": edges.number,
        "edges_cut": int(cut.sum()),
        "rows_sent": sum(mine.edges.halo.sent),
        "bytes_once": once,
        "bytes_forward": sent(forward),
        "bytes_backward": sent(lambda: results[-1].sum().backward()),
        "bytes_all_gather": sent(gather),
        "width": WIDTH,
        "dtype": "float32",
        "torch": str(torch.__version__),
    }


def cells() -> list[dict[str, Any]]:
    """Records of all cells, as one of several ranks."""
    return [cell(length, far) for length, far in product(LENGTHS, FAR)]


def main() -> None:
    """Measures all cells and writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the figures, JSON")
    output = parser.parse_args().output
    records = [record for ranks in RANKS for record in in_ranks(ranks, cells, threads=1)]
    output.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
