"""The kernels compile for a GPU, with what the launchers give them. The interpreter takes what a compiler refuses."""

import os
from pathlib import Path

import pytest

from tests.forked import run_python

pytest.importorskip("triton", reason="Triton is not installed")

KERNELS = {
    *("compact_kernel", "digit_kernel", "key_kernel", "rank_kernel", "tally_kernel"),
    *("mix_kernel", "pull_kernel"),
    *("feature_kernel", "norm_kernel", "project_kernel", "weight_kernel"),
}


@pytest.mark.slow
def test_every_kernel_compiles_for_an_h100(tmp_path):
    program = Path(__file__).with_name("ahead_triton.py")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = run_python([program], tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == KERNELS
