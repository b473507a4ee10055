"""Sampled YOSO against its expectation: the error falls, the mean is right, and the verb says so."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from sampleformer.bench import convergence_measure
from sampleformer.bench.convergence import add_arguments, run
from sampleformer.bench.convergence_measure import ConvergenceSettings, fitted_power, measure_convergence
from sampleformer.errors import InputError
from sampleformer.functional.bernoulli import gaussian_planes

SMALL = ConvergenceSettings((1, 4, 16, 64), tokens=24, head_width=16, code_length=4, repeats=8, draws=100)
TINY = ["--hashes", "4,1", "--tokens", "6", "--head-width", "8", "--code-length", "2", "--repeats", "2", "--draws", "9"]


def convergence(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(list(options)))


def test_the_error_falls_as_the_root_of_the_hashes_and_the_mean_is_the_expectation() -> None:
    found = measure_convergence(SMALL)
    assert found.slope("gaussian") == pytest.approx(-0.5, abs=0.1)
    bias = found.biases[0]
    assert (bias["planes"], bias["entries"]) == ("gaussian", 24 * 4)
    assert bias["largest_z"] <= 4
    assert 0.7 < bias["rms_z"] < 1.4  # of so many standard normals that partly hang together


def test_a_bias_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaning(*arguments: int, **names: object):
        return gaussian_planes(*arguments, **names) + 0.5  # type: ignore[arg-type]

    monkeypatch.setattr(convergence_measure, "gaussian_planes", leaning)
    bias = measure_convergence(dataclasses.replace(SMALL, hashes=(1, 2), repeats=1)).biases[0]
    assert bias["largest_z"] > 8
    assert bias["relative_bias"] > 0.05


def test_fitted_power() -> None:
    assert fitted_power([1, 2, 4], [9.0, 3.0, 1.0]) == pytest.approx(-1.5849625)


def test_json_tables_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convergence(*TINY, "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"))
    found = json.loads((tmp_path / "a.json").read_text())
    assert [(r["planes"], r["hashes"]) for r in found["errors"]] == [
        (planes, hashes) for planes in ("gaussian", "hadamard") for hashes in (1, 4)
    ]
    assert all(0 < r["min_error"] <= r["error"] <= r["max_error"] for r in found["errors"])
    for planes, slope in found["slopes"].items():
        first, last = (r["error"] for r in found["errors"] if r["planes"] == planes)
        assert slope == pytest.approx(fitted_power([1, 4], [first, last]))
    assert [(r["planes"], r["draws"], r["entries"]) for r in found["biases"]] == [
        ("gaussian", 9, 24),
        ("hadamard", 9, 24),
    ]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    printed = capsys.readouterr().out
    for text in ("6 tokens, heads of 8, τ = 2", "slope", "gaussian", "hadamard", "standard errors"):
        assert text in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hashes", "8"], "--hashes: '8', expected two numbers or more"),
        (["--hashes", "0,8"], "--hashes: '0', expected whole numbers of hashes from 1 to"),
        (["--draws", "1"], "--draws: 1, expected at least 2"),
        (["--code-length", "17"], "--code-length: 17, expected at most 16"),
        (["--plot", "a.jpg"], r"--plot: 'a.jpg', expected a file name that ends in \.png"),
        (["--json", "."], "--json: .: is a folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sampled(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convergence_measure, "measure_convergence", lambda *arguments: pytest.fail("sampled"))
    with pytest.raises(InputError, match=message):
        convergence(*TINY, *options)
