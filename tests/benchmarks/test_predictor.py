"""The benchmark of the forms of a model, on a small one."""

from pathlib import Path

from benchmarks.predictor import measured
from sampleformer.training import train
from tests.training.small import TRAINING, number_recipe, write_numbers


def test_sizes_times_and_differences(tmp_path: Path) -> None:
    run = train(number_recipe(write_numbers(tmp_path / "n.csv"), **TRAINING), tmp_path / "run", quiet=True)
    whole, narrowed = measured(run.path, repeats=1, names=["float32", "bfloat16"])
    assert whole["largest_difference"] == 0
    assert narrowed["bytes"] < whole["bytes"]
    assert narrowed["largest_difference"] < 0.1 * narrowed["largest_output"] + 0.01
    assert all(value > 0 for name, value in whole.items() if name.startswith("p50_ms"))
