"""How pairs of chosen and nearly chosen tokens pull at each other's scores, against loops."""

import pytest
import torch

from sampleformer.functional import pulls as module
from sampleformer.functional.pulls import pulls

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def looped(gradient, top, rest, top_scores, rest_scores, top_valid, rest_valid):
    """Pair by pair."""
    of_top, of_rest = torch.zeros_like(top_scores), torch.zeros_like(rest_scores)
    for row in (
        torch.cartesian_prod(*(torch.arange(size) for size in top.shape[:-2])).reshape(-1, top.ndim - 2).tolist()
    ):
        row = tuple(row)
        for i in range(top.shape[-2]):
            for j in range(rest.shape[-2]):
                if not (top_valid[row][i] and rest_valid[row][j]):
                    continue
                p = torch.sigmoid(top_scores[row][i] - rest_scores[row][j])
                pull = p * (1 - p) * (gradient[row][i] @ (top[row][i] - rest[row][j]))
                of_top[row][i] += pull
                of_rest[row][j] += pull
    return of_top, of_rest


@pytest.mark.parametrize("block", [1, 30, 2**18], ids=["row-by-row", "two-rows", "at-once"])
@pytest.mark.parametrize(("k", "r"), [(5, 3), (3, 3), (1, 1), (4, 0)])
def test_sums_equal_those_of_loops(k, r, block, monkeypatch):
    monkeypatch.setattr(module, "PAIRS_PER_BLOCK", block)
    rows = (2, 3)
    gradient, top = torch.randn(2, *rows, k, 7, dtype=torch.float64)
    rest = torch.randn(*rows, r, 7, dtype=torch.float64)
    scores = torch.randn(*rows, k, dtype=torch.float64), torch.randn(*rows, r, dtype=torch.float64)
    valid = torch.rand(*rows, k) < 0.7, torch.rand(*rows, r) < 0.7
    found = pulls(gradient, top, rest, *scores, *valid)
    for one, expected in zip(found, looped(gradient, top, rest, *scores, *valid), strict=True):
        torch.testing.assert_close(one, expected, **EXACT)
    everything = torch.ones(*rows, k, dtype=torch.bool), torch.ones(*rows, r, dtype=torch.bool)
    for one, expected in zip(
        pulls(gradient, top, rest, *scores), looped(gradient, top, rest, *scores, *everything), strict=True
    ):
        torch.testing.assert_close(one, expected, **EXACT)
