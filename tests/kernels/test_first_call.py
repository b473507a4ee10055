"""Operators of kernels, which are defined while the first function that needs them is compiled."""

import os
from pathlib import Path

import pytest

from tests.forked import run_python

pytest.importorskip("triton", reason="Triton is not installed")

PROGRAM = """
import sys
import torch
from sampleformer.functional.bernoulli import hadamard_signs
from sampleformer.kernels.bernoulli import collision_attention, expected_attention, hadamard_codes
from sampleformer.kernels.choice import choose_soft
from sampleformer.kernels.maxout import scored_attention
from sampleformer.kernels.projection import project_chosen
from sampleformer.kernels.top_k import gumbel_topk

rows, scores, one = torch.randn(2, 16), torch.arange(2.0), torch.tensor(1.0)
query = torch.nn.functional.normalize(torch.randn(1, 2, 5, 8), dim=-1)
codes = torch.randint(4, (1, 2, 3, 5), dtype=torch.int32)
features, weight = torch.randn(1, 5, 16), torch.randn(1, 16, 16)
signs, leak = hadamard_signs(4, 8, 3), torch.zeros(1, 2, 5)
functions = [
    lambda: choose_soft(rows, rows, scores, scores, one, kernel="triton"),
    lambda: project_chosen(features, torch.tensor([[[0, 1]]]), weight, kernel="triton"),
    lambda: gumbel_topk(features[0, 0], 3, kernel="triton")[0],
    lambda: scored_attention(query, query, query, leak=leak, kernel="triton"),
    lambda: collision_attention(query, query, query, codes, codes, 2, kernel="triton"),
    lambda: expected_attention(query, query, query, 4, kernel="triton"),
    lambda: hadamard_codes(query, query, signs, 4, 3, kernel="triton")[0],
]
assert not [name for name in sys.modules if name.startswith("sampleformer") and name.endswith("_operators")]
for function in functions:
    torch.testing.assert_close(torch.compile(function, fullgraph=True, backend="aot_eager")(), function())
print("equal")
"""


def test_a_first_call_that_is_compiled_defines_its_operator_and_breaks_no_graph(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = run_python(["-c", PROGRAM], tmp_path, environment, imported="torch")
    assert done.stdout == "equal\n", done.stderr
