"""The kernel that chooses k of n against its plain twin: which, in what order, with ties, noise and masks."""

import pytest
import torch
from torch import Tensor

from sampleformer.functional import sampling as plain
from sampleformer.kernels import top_k
from sampleformer.kernels.top_k import gumbel_topk

pytest.importorskip("triton", reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# Rows that are ranked as they are, and longer ones, in one block and in several, the last of them not full.
SIZES = [(1, 1), (5, 3), (3, 9), (70, 64), (1025, 33), (9001, 40)]


def scores_of(rows: tuple[int, ...], n: int, kind: str) -> Tensor:
    scores = torch.randn(*rows, n)
    if kind == "ties":
        return scores.round()
    if kind == "one value":
        return torch.zeros_like(scores)
    if kind == "signs and sizes":
        return scores * 10.0 ** torch.randint(-30, 30, scores.shape)
    return scores


@pytest.mark.parametrize("kind", ["numbers", "ties", "one value", "signs and sizes"])
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_the_same_tokens_in_the_same_order(n, k, kind):
    scores = scores_of((2, 1), n, kind)
    found, valid = gumbel_topk(scores.to(DEVICE), k, kernel="triton")
    assert valid is None
    assert torch.equal(found.cpu(), plain.gumbel_topk(scores, k)[0])


@pytest.mark.parametrize(("n", "k"), [(70, 16), (5000, 30)])
def test_noise_and_mask_are_part_of_it(n, k):
    scores, noise = torch.randn(2, 3, n), plain.gumbel_noise(2, 3, n)
    mask = (torch.rand(2, 1, n) < 0.5).expand(2, 3, n)  # one for all groups, read where it is
    found, valid = gumbel_topk(scores.to(DEVICE), k, noise=noise.to(DEVICE), mask=mask.to(DEVICE), kernel="triton")
    expected, expected_valid = plain.gumbel_topk(scores, k, noise=noise, mask=mask)
    assert torch.equal(valid.cpu(), expected_valid)
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("n", [6, 1100])
@pytest.mark.parametrize("real", [0, 2])
def test_masked_tokens_come_last_in_the_order_of_the_index(n, real):
    scores = torch.randn(1, 1, n)
    mask = torch.zeros(1, 1, n, dtype=torch.bool)
    mask[..., 3 : 3 + real] = True
    found, valid = gumbel_topk(scores.to(DEVICE), 5, mask=mask.to(DEVICE), kernel="triton")
    best = plain.gumbel_topk(scores, 5, mask=mask)[0][..., :real]
    others = torch.tensor([index for index in range(n) if not mask[0, 0, index]])[: 5 - real]
    assert torch.equal(found.cpu().flatten(), torch.cat([best.flatten(), others]))
    assert valid.flatten().tolist() == [True] * real + [False] * (5 - real)


@pytest.mark.parametrize("n", [8, 1030])
def test_zeros_infinities_and_nan_have_torchs_order(n):
    scores = torch.full((1, n), -5.0)
    scores[0, :6] = torch.tensor([-0.0, 0.0, -torch.inf, torch.inf, torch.nan, 1e-45])
    found = gumbel_topk(scores.to(DEVICE), n, kernel="triton")[0].flatten().tolist()
    assert found == [4, 3, 5, 0, 1, *range(6, n), 2]


def test_a_real_token_of_minus_infinity_comes_before_a_masked_one():
    scores, mask = torch.tensor([[1.0, -torch.inf]]), torch.tensor([[False, True]])
    found, valid = gumbel_topk(scores.to(DEVICE), 2, mask=mask.to(DEVICE), kernel="triton")
    assert found.tolist() == [[1, 0]]
    assert valid.tolist() == [[True, False]]


def test_scores_may_lie_in_any_order():
    scores = torch.randn(2, 40, 3)
    found = gumbel_topk(scores.to(DEVICE).transpose(1, 2), 7, kernel="triton")[0]
    assert torch.equal(found.cpu(), plain.gumbel_topk(scores.transpose(1, 2), 7)[0])


@pytest.mark.parametrize("seed", range(8))
def test_equal_scores_on_both_sides_of_a_block_and_of_the_cut(monkeypatch, seed):
    from sampleformer.kernels import top_k_launch_triton as launch

    monkeypatch.setattr(launch, "BLOCK", 512)
    monkeypatch.setattr(launch, "SHORT", 0)
    torch.manual_seed(seed)
    n, k = int(torch.randint(1, 2200, ())), int(torch.randint(1, 400, ()))
    scores = torch.randint(-2, 3, (1, 2, n)) * 10.0 ** torch.randint(-3, 3, (1, 2, n))
    found = gumbel_topk(scores.to(DEVICE), k, kernel="triton")[0]
    assert torch.equal(found.cpu(), plain.gumbel_topk(scores, k)[0])


@pytest.mark.parametrize("rows", [(), (3,), (2, 2, 2)])
def test_any_number_of_dimensions(rows):
    scores = torch.randn(*rows, 9)
    found = gumbel_topk(scores.to(DEVICE), 4, kernel="triton")[0]
    assert torch.equal(found.cpu(), plain.gumbel_topk(scores, 4)[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_refused(dtype):
    with pytest.raises(ValueError, match="half precision makes ties"):
        gumbel_topk(torch.zeros(1, 4, dtype=dtype, device=DEVICE), 2, kernel="triton")


def test_what_the_kernel_does_not_take_is_named(monkeypatch):
    monkeypatch.setattr(top_k, "LONGEST", 8)
    monkeypatch.setattr(top_k, "LARGEST", 4)
    scores = torch.randn(1, 9, device=DEVICE)
    with pytest.raises(ValueError, match="a row has 9 tokens, expected at most 8"):
        gumbel_topk(scores, 2, kernel="triton")
    with pytest.raises(ValueError, match="k is 5, expected at most 4"):
        gumbel_topk(scores[:, :6], 5, kernel="triton")
    with pytest.raises(ValueError, match="the dtype is float64"):
        gumbel_topk(scores[:, :6].double(), 2, kernel="triton")
    assert torch.equal(gumbel_topk(scores, 2)[0], plain.gumbel_topk(scores, 2)[0])


def test_the_operator_is_sound():
    mask = torch.rand(2, 1, 7, device=DEVICE) < 0.5
    for noise, allowed in ((None, None), (torch.randn(2, 3, 7, device=DEVICE), mask.expand(2, 3, 7))):
        torch.library.opcheck(
            torch.ops.sampleformer.gumbel_topk, (torch.randn(2, 3, 7, device=DEVICE), noise, allowed, 4)
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: the largest rows, and that runs agree")
def test_the_largest_rows_on_a_gpu():
    scores = torch.randn(2, 4, 262_144, device="cuda").round(decimals=3)
    noise = plain.gumbel_noise(2, 4, 262_144, device="cuda").round(decimals=2)
    found = [gumbel_topk(scores, 1024, noise=noise, kernel="triton")[0] for _ in range(3)]
    assert torch.equal(found[0], plain.gumbel_topk(scores, 1024, noise=noise)[0])
    assert all(torch.equal(again, found[0]) for again in found)
