"""The benchmark of kernels: what it measures and compares, what it prints, writes and refuses; in the interpreter."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
import torch

from sampleformer.bench import kernels_measure
from sampleformer.bench.kernel_cases import KERNEL_CASES, KernelSizes, KernelWork, Operations
from sampleformer.bench.kernels import add_arguments, run
from sampleformer.bench.kernels_agreement import agreement
from sampleformer.bench.kernels_ceilings import Ceilings
from sampleformer.bench.kernels_measure import KernelResults
from sampleformer.bench.kernels_settings import KernelSettings, check_machine
from sampleformer.bench.kernels_table import WORDS, kernel_blocks
from sampleformer.errors import InputError
from tests.cli.program import refused

pytest.importorskip("triton", reason="Triton is not installed")

TINY = ["--interpret", "--lengths", "5", "--sampled", "4", "--heads", "1", "--head-width", "8", "--dtypes", "float32"]
SIZES = KernelSizes(6, batch=2, heads=3, head_width=8, sampled=4, dtype=torch.float32, device="cpu")
FIELDS = (
    "kernel form heads head_width sampled pass n batch median_s min_s max_s peak_bytes device dtype threads torch "
    "floor_s bound share ratios"
)


def kernels(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(list(options)))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> KernelSettings:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return KernelSettings.read(parser.parse_args(TINY))


@pytest.mark.parametrize("name", KERNEL_CASES)
def test_every_case_has_both_forms_and_the_result_that_it_says(name: str) -> None:
    work = KERNEL_CASES[name].work(SIZES)
    assert set(work.forms) == {"kernel", "plain"}
    assert work.forms["plain"](*work.inputs).shape == work.result
    assert all(tensor.is_floating_point() and tensor.dtype == torch.float32 for tensor in work.inputs)


@pytest.mark.parametrize("name", KERNEL_CASES)
def test_operations_grow_with_the_tokens_and_with_the_backward(name: str) -> None:
    operations = KERNEL_CASES[name].operations
    forward, train = operations(SIZES)
    _, longer = operations(dataclasses.replace(SIZES, length=12))
    assert longer.bytes > train.bytes
    assert min(forward.vector, forward.matrix, forward.bytes) >= 0
    assert forward.bytes > 0
    for field in ("vector", "matrix", "bytes"):
        assert getattr(train, field) >= getattr(forward, field)


def test_operations_of_maxout() -> None:
    forward, train = KERNEL_CASES["maxout"].operations(SIZES)
    pairs = 2 * 3 * 6 * 4
    assert (forward.vector, train.vector) == (2 * 8 * pairs, 16 * 8 * pairs)
    assert (forward.matrix, train.matrix) == (2 * 8 * pairs, 4 * 8 * pairs)
    assert forward.bytes == 4 * 2 * 3 * 8 * (6 + 4 + 4 + 6)
    assert KERNEL_CASES["maxout_related"].operations(SIZES)[0].bytes == forward.bytes + 4 * 2 * pairs


def test_operations_of_yoso() -> None:
    forward, train = KERNEL_CASES["yoso_collisions"].operations(SIZES)
    numbers = 2 * 3 * 6 * 8
    assert (forward.vector, train.vector) == (16 * 2 * numbers, 16 * 4 * numbers)
    # One sign, so that three of six are in a bucket: for each side, two products of 8 numbers a pair.
    assert (forward.matrix, train.matrix) == (0, 2 * 16 * 3 * 2 * 2 * numbers)
    hashed, _ = KERNEL_CASES["yoso"].operations(SIZES)
    # Two blocks of 8, three levels, three rounds, for queries and keys.
    assert hashed.vector - forward.vector == 2 * numbers * 2 * 3 * 3
    assert hashed.bytes - forward.bytes == 2 * numbers * 4 + 2 * 2 * 3 * 6 * 16 * 4


@pytest.mark.parametrize("name", ["yoso", "yoso_collisions"])
def test_yoso_agrees_with_its_twin(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    work = KERNEL_CASES[name].work(dataclasses.replace(SIZES, batch=1, heads=1))
    found = agreement(name, "float32", 6, work, trains=True)
    assert max(found["result"], found["gradients"]) < 1e-5


def test_the_floor_is_the_slowest_of_three() -> None:
    ceilings = Ceilings(bytes=100.0, matrix={"float32": 10.0}, vector=5.0)
    assert ceilings.floor(Operations(vector=10, matrix=10, bytes=100), "float32") == (2.0, "vector")
    assert ceilings.floor(Operations(vector=10, matrix=30, bytes=100), "float32") == (3.0, "matrix")
    assert ceilings.floor(Operations(vector=10, matrix=10, bytes=1000), "float32") == (10.0, "memory")


def test_differences_are_found_in_results_and_gradients() -> None:
    inputs = (torch.ones(2, 3), torch.ones(2, 3))

    def found(kernel):
        forms = {"kernel": kernel, "plain": lambda a, b: 2 * a * b}
        return agreement("none", "float32", 2, KernelWork(inputs, forms, (2, 3)), trains=True)

    same = found(lambda a, b: a * b + b * a)
    assert same == {"kernel": "none", "dtype": "float32", "n": 2, "result": 0.0, "gradients": 0.0}
    wrong = found(lambda a, b: 2 * a * b.detach() + 0 * b)
    assert (wrong["result"], wrong["gradients"]) == (0.0, 1.0)
    assert found(lambda a, b: 2 * a * b + 0.5)["result"] == pytest.approx(0.25)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, where nothing is interpreted")
def test_json_tables_and_plot(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    files = ["--json", str(tmp_path / "kernels.json"), "--plot", str(tmp_path / "kernels.png")]
    kernels(*TINY, "--kernels", "maxout", *files)
    written = json.loads((tmp_path / "kernels.json").read_text())
    assert written["interpreted"] is True
    assert written["machine"]["gpu"] == "none, interpreted"
    assert min(written["ceilings"]["bytes"], written["ceilings"]["vector"], *written["ceilings"]["matrix"].values()) > 0
    (found,) = written["agreements"]
    assert max(found["result"], found["gradients"]) < 1e-5
    records = written["records"]
    assert [(r["pass"], r["form"]) for r in records] == [
        (direction, form) for direction in ("forward", "train") for form in ("kernel", "plain", "flash")
    ]
    for record in records:
        assert list(record) == FIELDS.split()
        assert set(record["ratios"]) == {"kernel", "plain", "flash"} - {record["form"]}
        if record["form"] == "plain":
            assert record["share"] is record["bound"] is record["floor_s"] is None
        else:
            assert record["share"] == pytest.approx(record["floor_s"] / record["median_s"])
            assert record["bound"] in WORDS
    assert (tmp_path / "kernels.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "None of the times below says anything about a GPU." in printed
    for text in ("Ceilings, measured", "1 heads of 8, k = 4", "as plain", "as flash", "maxout, float32, n = 5"):
        assert text in printed


def test_measurements_on_a_gpu_have_no_warning_and_name_it(settings: KernelSettings) -> None:
    ceilings = Ceilings(3e12, {"float32": 5e13}, 2.5e13)
    results = KernelResults({"gpu": "NVIDIA H100"}, ceilings, False, skipped=["plain: left out"])
    assert list(kernel_blocks(results)) == [
        "Kernels: gpu NVIDIA H100",
        "Ceilings, measured: a copy 3000 GB/s; products of matrices, float32 50.0 TFLOP/s",
        "plain: left out.",
    ]


def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")


def test_without_a_gpu_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_cuda(monkeypatch)
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(InputError) as raised:
        kernels()
    assert str(raised.value) == (
        "bench kernels needs a GPU and Triton: no CUDA device was found; --interpret checks the kernels without a GPU"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which would be measured")
def test_the_program_says_it_in_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path, ["bench", "kernels"]).startswith("bench kernels needs a GPU and Triton: ")


def test_the_interpreter_is_not_measured_by_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(InputError, match="TRITON_INTERPRET is set, so they would be interpreted; --interpret checks"):
        check_machine(interpret=False)


def test_the_interpreter_must_be_on_before_the_program_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(InputError, match="--interpret: TRITON_INTERPRET is not set, expected it to be 1"):
        kernels(*TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kernels", "maxuot"], r"--kernels: 'maxuot' is unknown; did you mean 'maxout'\?"),
        (["--dtypes", "float64"], "--dtypes: 'float64' is unknown; .*allowed: bfloat16, float16, float32"),
        (["--device", "cpu"], "--device: 'cpu' is unknown; .*allowed: cuda"),
        (["--head-width", "5"], "--head-width: 5, expected 8 to 128"),
        (["--heads", "0"], "--heads: 0, expected at least 1"),
        (["--lengths", "x"], "--lengths: 'x', expected whole numbers of tokens"),
        (["--repeats", "0"], "--repeats: 0, expected at least 1"),
        (["--plot", "kernels.pdf"], "--plot: 'kernels.pdf', expected a file name that ends in .png"),
        (["--json", "no/such/folder/kernels.json"], "--json: .* there is no folder .*no/such/folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(kernels_measure, "measure_kernels", lambda *arguments: pytest.fail("measured"))
    with pytest.raises(InputError, match=message):
        kernels(*TINY, *options)
