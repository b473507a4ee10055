"""The library without the packages that the extra ``train`` brings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sampleformer.cli.parser import VERBS
from sampleformer.extras import TRAINING, check_installed
from tests.forked import run_python
from tests.serve.untrained import text_run

ROOT = Path(__file__).parent.parent
README = "\n".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.DOTALL))
ABSENT = [*TRAINING, "filelock", "pandas", "pytorch_lightning", "scipy", "sklearn", "transformers"]
HIDE = f"import sys\nfor name in {ABSENT}:\n    sys.modules[name] = None\n"


def run_without_train(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that finds none of the packages."""
    return run_python(["-c", HIDE + code], folder, imported="torch")


def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    done = run_without_train(f"{README}\nprint(tuple(probabilities.shape))", tmp_path)
    assert done.stdout == "(1, 2)\n", done.stderr


def test_layers_in_other_models_and_a_predictor_run(tmp_path: Path) -> None:
    code = f"""
import torch
from torch import nn
from sampleformer import Predictor, YosoAttention, swap

model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, batch_first=True), 1)
print(swap(model, sampled=3), tuple(model(torch.randn(2, 9, 16)).shape))
print(tuple(YosoAttention(16, 2)(torch.randn(2, 9, 16)).shape))
print(sorted(Predictor.load({str(text_run(tmp_path).path)!r})("abba")))
"""
    done = run_without_train(code, tmp_path)
    assert done.stdout.splitlines() == [
        "1 (2, 9, 16)",
        "(2, 9, 16)",
        "['prediction', 'probability_ab', 'probability_cd']",
    ], done.stderr


PROGRAM = """
from sampleformer.cli import main
for arguments in {}:
    try:
        print(main(arguments))
    except SystemExit as end:
        print(end.code)
"""


def test_the_program_says_in_one_line_what_to_install(tmp_path: Path) -> None:
    done = run_without_train(
        PROGRAM.format([["train", "digits"], ["recipes", "ls"], ["predict", "run", "a.csv"]]), tmp_path
    )
    assert done.stdout == "2\n2\n2\n"
    expected = "lightning, matplotlib, pooch, rich, torchmetrics"
    assert done.stderr.splitlines() == [
        f'error: sampleformer {verb} needs {expected}: pip install "sampleformer[train]"'
        for verb in ("train", "recipes", "predict")
    ]


def test_a_training_says_what_to_install(tmp_path: Path) -> None:
    code = """
from sampleformer import InputError
from sampleformer.recipes import read
from sampleformer.training import train
try:
    train(read("digits"), "run")
except InputError as error:
    print(error)
"""
    done = run_without_train(code, tmp_path)
    assert done.stdout == 'this needs the package lightning: pip install "sampleformer[train]"\n', done.stderr
    assert not (tmp_path / "run").exists()


def test_transformers_read_a_run_without_what_trained_it(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from sampleformer.integrations.huggingface import SampleformerConfig, SampleformerForSequenceClassification

    SampleformerForSequenceClassification(SampleformerConfig(settings={"width": 8, "heads": 2})).save_pretrained(
        tmp_path
    )
    code = f"""
import sys
for name in {TRAINING}:
    sys.modules[name] = None
import torch
import sampleformer.integrations.huggingface
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained({str(tmp_path)!r})
print(tuple(model(torch.tensor([[3, 4, 5]])).logits.shape))
"""
    done = run_python(["-c", code], tmp_path, imported="torch")
    assert done.stdout == "(1, 2)\n", done.stderr


def test_verbs_that_answer_need_their_own_packages_alone(tmp_path: Path) -> None:
    asked = [["--version"], ["--help"], ["serve", "--help"], ["export", "--help"]]
    done = run_without_train(PROGRAM.format(asked), tmp_path)
    assert done.stdout.splitlines()[-1] == "0", done.stderr
    assert done.stdout.splitlines().count("0") == len(asked)


def test_operators_of_kernels_wait_until_a_kernel_runs(tmp_path: Path) -> None:
    code = (
        "import sys; from sampleformer import SamsaAttention\n"
        "print([each for each in sys.modules if each.startswith('sampleformer.kernels')])"
    )
    found = run_python(["-c", code], tmp_path, imported="torch").stdout
    assert "kernels.top_k" in found
    assert "_operators" not in found


def test_packages_that_are_there_are_not_imported_to_know() -> None:
    check_installed(["antigravity"], "train", "this")  # a module that opens a browser where it is imported
    assert "antigravity" not in sys.modules


def test_the_help_of_every_verb_can_be_read(tmp_path: Path) -> None:
    code = """
from sampleformer.cli import main
from sampleformer.cli.parser import VERBS
for verb in VERBS:
    try:
        main([verb, "--help"])
    except SystemExit as end:
        print(verb, "ended with", end.code)
"""
    done = run_without_train(code, tmp_path)
    assert done.stderr == ""
    assert re.findall(r"^(\w+) ended with 0$", done.stdout, re.M) == list(VERBS)
    assert "sampleformer train --data reviews.csv" in done.stdout
