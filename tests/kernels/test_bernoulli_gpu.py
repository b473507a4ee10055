"""YOSO's kernels compiled: what the interpreter cannot show on a real GPU, and, without one, that they compile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sampleformer.functional import bernoulli as plain
from sampleformer.functional.bernoulli import hadamard_planes, hadamard_signs, sign_codes
from sampleformer.kernels import bernoulli
from tests.kernels.bernoulli_problems import DTYPES, assert_close, problem, value_and_gradients

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: the interpreter runs the same code")
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


@pytest.mark.slow
def test_every_kernel_compiles_for_an_h100():
    """Without one: Triton brings its assembler along. It checks the memory that a block takes, too."""
    pytest.importorskip("triton", minversion="3.5", reason="needs Triton's compiler with the arguments of today")
    program = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compile_bernoulli.py"))],
        env={**os.environ, "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert program.returncode == 0, program.stderr
