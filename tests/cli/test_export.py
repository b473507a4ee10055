"""The verb ``export``, run as the real program."""

import csv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from sampleformer.data.collate import collate
from sampleformer.training import RunFolder
from tests.cli.program import files_in, refused, run_program


def test_a_run_becomes_one_file_that_predicts_what_the_run_predicts(trained: Path) -> None:
    before = files_in(trained)
    done = run_program(trained, ["export", "run", "model.onnx", "--quiet"])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[:3] == [
        "input tokens: int64 (batch, length)",
        "input mask: bool (batch, length)",
        "output output: float (batch, 2)",
    ]
    assert done.stdout.splitlines()[-1] == "model: model.onnx"
    assert set(files_in(trained)) - set(before) == {"model.onnx"}

    done = run_program(trained, ["predict", "run", "texts.csv", "-o", "out.csv", "--quiet"])
    assert done.returncode == 0, done.stderr
    with (trained / "out.csv").open(encoding="utf-8") as file:
        predicted = [[float(row["probability_ab"]), float(row["probability_cd"])] for row in csv.DictReader(file)]
    samples = RunFolder(trained / "run").read_encoding().read(trained / "texts.csv", targets=False)
    tokens = collate([samples[index] for index in range(len(samples))]).tokens
    session = onnxruntime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = {"tokens": tokens.features.numpy().astype(np.int64), "mask": tokens.mask.numpy()}
    scores = np.exp(session.run(["output"], inputs)[0])
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), predicted, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "model.onnx"], "nowhere: no such folder, expected that of a run"),
        (["run", "texts.csv"], "FILE: texts.csv: exists already and is not overwritten"),
        (["run", "run"], "FILE: run: is a folder, expected the name of a file"),
        (["run", "no/model.onnx"], "FILE: no/model.onnx: there is no folder "),
        (["run", "/proc/self/model.onnx"], "FILE: /proc/self/model.onnx: cannot be written "),
        (["run"], "the following arguments are required: FILE"),
    ],
)
def test_bad_input(trained: Path, arguments: list[str], message: str) -> None:
    assert refused(trained, ["export", *arguments]).startswith(message)


def test_a_damaged_model(trained: Path) -> None:
    weights = trained / "run" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    message = refused(trained, ["export", "run", "model.onnx"])
    assert message.startswith("run/model/model.safetensors: not a whole safetensors file")


def test_help_shows_an_example(tmp_path: Path) -> None:
    done = run_program(tmp_path, ["export", "--help"])
    assert done.returncode == 0
    assert "sampleformer export runs/" in done.stdout
