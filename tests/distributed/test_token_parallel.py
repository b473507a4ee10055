"""Ranks that share the tokens of a sample give what one process gives."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from tests.attention.variations import CASES
from tests.distributed.shards import (
    LENGTH,
    MODELS_TRIED,
    OTHERS,
    Case,
    Cloud,
    Found,
    Graph,
    along_edges,
    answered,
    answered_clouds,
    answered_graphs,
    attended,
    in_ranks,
    refusals,
)
from tests.training.ranks import Ranks

CUTS: dict[int, list[tuple[int, ...]]] = {
    2: [(6, 6), (9, 3), (0, LENGTH)],
    4: [(3, 3, 3, 3), (1, 0, 7, 4), (0, LENGTH, 0, 0)],
}
UNSHARED = {"yoso-exact-gradient", "yoso-expectation"}
SHARED = [name for name in CASES if name not in UNSHARED and not name.startswith("nystrom")] + list(OTHERS)
TRIED = [
    *(Case(name) for name in SHARED),
    *(Case(name, padded=False) for name in ("samsa-hard", "samsa-defaults", "sft-leaky-relu", "yoso-short-codes")),
    *(Case(name, training=False) for name in ("samsa-soft", "samsa-gated", "sft-leaky-softmax", "yoso-convolution")),
    # Scores are equal across the ranks: nothing but their places tells tokens apart.
    Case("samsa-straight-through-no-noise", tied=True),
    Case("samsa-hard-extra-tokens", training=False, tied=True),
    Case("samsa-soft", training=False, padded=False, tied=True),
    Case("sft-scaled-dot", training=False, tied=True),
]


@pytest.fixture(scope="module")
def ranks() -> Iterator[dict[int, Ranks]]:
    """Processes by their number."""
    several = {size: Ranks(size) for size in CUTS}
    yield several
    for each in several.values():
        each.close()


@pytest.mark.parametrize("size", CUTS)
def test_an_attention_is_that_of_one_process(ranks: dict[int, Ranks], size: int) -> None:
    found = ranks[size].run(in_ranks, attended, TRIED, CUTS[size])
    for number, case in enumerate(TRIED):
        expected = attended(case, None)
        for cut, of_ranks in zip(CUTS[size], _by_cut(found, number), strict=True):
            _assert_alike(of_ranks, expected, f"{case}, {cut}")


@pytest.mark.parametrize("size", CUTS)
def test_a_model_is_that_of_one_process(ranks: dict[int, Ranks], size: int) -> None:
    found = ranks[size].run(in_ranks, answered, list(MODELS_TRIED), CUTS[size])
    for number, name in enumerate(MODELS_TRIED):
        expected = answered(name, None)
        for cut, of_ranks in zip(CUTS[size], _by_cut(found, number), strict=True):
            _assert_alike(of_ranks, expected, f"{name}, {cut}")


GRAPHS = [
    *(Graph(kind, edges) for kind in ("messages", "attention") for edges in ((20, 9), (0, 5), (0, 0))),
    Graph("messages", (30, 30), features=0),
    Graph("attention", (9, 2), far=True),
]


CLOUDS = [Cloud(), Cloud(invariant=True), Cloud(invariant=True, normals=False), Cloud(neighbours=11, padded=False)]


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("function", "cases"),
    [(along_edges, GRAPHS), (answered_graphs, ["batch"]), (answered_clouds, CLOUDS)],
    ids=["edges", "graphs", "clouds"],
)
def test_edges_lead_to_other_ranks(ranks: dict[int, Ranks], size: int, function: Any, cases: list[Any]) -> None:
    found = ranks[size].run(in_ranks, function, cases, CUTS[size])
    for number, case in enumerate(cases):
        expected = function(case, None)
        for cut, of_ranks in zip(CUTS[size], _by_cut(found, number), strict=True):
            _assert_alike(of_ranks, expected, f"{case}, {cut}")


def test_what_cannot_be_shared_is_refused_on_every_rank(ranks: dict[int, Ranks]) -> None:
    for said in ranks[2].run(refusals, 3):
        nystrom, expectation, exact, length, edges, others, scores, negative = said
        assert "NystromMixing, which looks at all queries" in nystrom
        assert "hashes = None" in expectation
        assert "gradient 'exact'" in exact
        assert "there are 2 tokens on rank" in length
        assert "edges that shard_edges or shard_tokens has not cut" in edges
        assert "layers of other libraries" in others
        assert "scores are NaN or infinite" in scores
        assert "length is -1" in negative


def _by_cut(found: Sequence[Sequence[Sequence[Found]]], number: int) -> list[list[Found]]:
    """For each cut what each rank found, of one case."""
    return [list(of_ranks) for of_ranks in zip(*(of_rank[number] for of_rank in found), strict=True)]


def _assert_alike(of_ranks: Sequence[Found], expected: Found, what: str) -> None:
    def assert_close(actual: torch.Tensor, wanted: torch.Tensor, name: str) -> None:
        torch.testing.assert_close(actual, wanted, rtol=1e-6, atol=1e-9, msg=lambda m: f"{what}: {name}: {m}")

    for name, wanted in expected.of_tokens.items():
        assert_close(torch.cat([each.of_tokens[name] for each in of_ranks], dim=1), wanted, name)
    for name, wanted in expected.of_all.items():
        for each in of_ranks:
            assert_close(each.of_all[name], wanted, name)
    for name, wanted in expected.of_weights.items():
        total = torch.stack([each.of_weights[name].expand_as(wanted) for each in of_ranks]).sum(0)
        assert_close(total, wanted, name)
