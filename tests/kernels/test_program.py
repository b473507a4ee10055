"""A kernel that was asked for where it cannot run, as the user of the program sees it."""

from pathlib import Path

import pytest
import torch

from tests.cli.program import run_program

CANNOT = "kernel is 'triton', which cannot run: the tensors are on cpu, expected cuda; allowed: 'auto', 'plain'"
UNKNOWN = "model.attention: kernel is 'gpu'; allowed: auto, plain, triton"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the kernel could run")
@pytest.mark.parametrize(("kernel", "message"), [("triton", CANNOT), ("gpu", UNKNOWN)])
def test_one_line_and_no_model(kernel: str, message: str, tmp_path: Path) -> None:
    settings = ["--set", f"model.attention.kernel={kernel}", "--set", "training.warmup_steps=1", "--steps", "2"]
    finished = run_program(tmp_path, ["train", "digits", "--attention", "sft", "--quiet", *settings])
    assert finished.returncode == 2
    assert finished.stderr.splitlines() == [f"error: {message}"]
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == []
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == []
