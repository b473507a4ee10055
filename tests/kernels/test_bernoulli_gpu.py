"""YOSO's kernels compiled: what the interpreter cannot show on a real GPU, and, without one, that they compile."""

import pytest
import torch

from sampleformer.functional import bernoulli as plain
from sampleformer.functional.bernoulli import hadamard_planes, hadamard_signs, sign_codes
from sampleformer.kernels import bernoulli
from sampleformer.kernels.bernoulli import operands
from tests.kernels.bernoulli_problems import DTYPES, assert_close, problem, value_and_gradients
from tests.kernels.compiling import compiled

pytest.importorskip("triton", reason="Triton is not installed")

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: the interpreter runs the same code")
KERNELS = {
    "codes": "hadamard_codes_kernel",
    "sums": "fill_kernel fill_atomic_kernel read_kernel",
    "matrices": "build_kernel fold_kernel",
    "pairs": "pairs_kernel",
    "expected": "expected_kernel",
}
SHARED = 99 * 1024
# Products of float16 and float32 are made of tf32 there.
ON_GPU = {torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-9}


@on_a_gpu
@pytest.mark.parametrize("width", [8, 24, 64, 128])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_thousands_of_tokens_of_every_width(dtype, width):
    values = problem(3001, 2777, width, width, m=8, t=6, dtype=dtype, masks=True, rows=(2, 3))
    for how in ({}, {"deterministic": False}, {"gradient": "exact"}):
        found = value_and_gradients(bernoulli.collision_attention, values, kernel="triton", **how)
        of_plain = {name: value for name, value in how.items() if name != "deterministic"}
        expected = value_and_gradients(plain.collision_attention, values, wide=True, **of_plain)
        assert_close(found, expected, tolerance=ON_GPU[dtype])


@on_a_gpu
@pytest.mark.parametrize("width", [8, 24, 64, 128])
def test_codes_are_those_of_the_planes(width):
    vectors, signs = torch.randn(2, 3, 3001, width, device="cuda"), hadamard_signs(16, width, 9, device="cuda")
    found, _ = bernoulli.hadamard_codes(vectors, vectors, signs, 16, 9, kernel="triton")
    expected = sign_codes(vectors, hadamard_planes(signs, 16, width, 9))
    assert (found == expected).float().mean() > 0.9999


@on_a_gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_same_input_gives_the_same_bits(dtype):
    values = problem(20_001, 20_001, 64, 64, m=8, t=7, dtype=dtype, rows=(1, 4))
    first, second = (value_and_gradients(bernoulli.collision_attention, values, kernel="auto") for _ in range(2))
    for name in first:
        assert torch.equal(first[name], second[name]), name


@on_a_gpu
def test_memory_grows_linearly():
    peaks = []
    for n in (2**14, 2**16):
        values = problem(n, n, 64, 64, m=16, t=n.bit_length() - 6, dtype=torch.bfloat16, rows=(1, 8))
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        value_and_gradients(bernoulli.collision_attention, values, kernel="triton")
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 5 * peaks[0]


def jobs(width: int, dtype: str):
    """Every kernel, with the blocks that it has for tensors of this width and dtype."""
    numbers = "all_tokens tokens_per_row length own_length other_length hashes hash_ buckets row_stride hash_stride"
    of_names = [
        (f"*{dtype}", "vectors values left right own_left other_left other_right own_unit other_unit"),
        ("*fp32", "tables wide signs matrices result"),
        ("*i32", "codes starts other_starts own_numbers other_numbers first_slots bucket_of_slot"),
        ("*i64", "order own_order other_order"),
        ("i32", f"{numbers} size blocks rows slots code_length"),
        ("i32!", "width value_width left_width right_width"),
        ("fp32", "scale"),
    ]
    types = {name: type_ for type_, names in of_names for name in names.split()}
    sizes = operands.blocks(torch.empty(1, width, dtype={"bf16": torch.bfloat16, "fp32": torch.float32}[dtype]))
    size, widths = operands.block_width(width), ("WIDTH", "VALUE_WIDTH", "LEFT_WIDTH", "RIGHT_WIDTH")
    constants = dict.fromkeys(widths, size) | {"PRECISION": "tf32" if dtype == "bf16" else "tf32x3", "WIDEN": False}
    constants |= {name: sizes[name] for name in ("OWN", "OTHER")} | {"CHUNK": 1024, "NUMBERS": 1024, "PART": 32}
    constants |= {"SIZE": size, "LEVELS": size.bit_length() - 1, "HASHES": 16, "TOKENS": 32, "CODE_LENGTH": 9}
    constants |= {"HAS_LARGE": True, "ADDS": "each", "IS_WEIGHTED": True, "IS_FIRST": False, "IS_LAST": True}
    for module, kernels in KERNELS.items():
        for kernel in kernels.split():
            names = {"module": f"sampleformer.kernels.bernoulli.{module}_triton", "kernel": kernel}
            yield names | {"types": types, "constants": constants, "stages": sizes["num_stages"]}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dtype"), [(64, "bf16"), (128, "fp32")])
def test_every_kernel_compiles_for_an_h100(width, dtype):
    found = compiled(*jobs(width, dtype))
    assert len(found) == sum(len(kernels.split()) for kernels in KERNELS.values())
    # What every GPU of today has.
    assert max(kernel["shared"] for kernel in found) <= SHARED
