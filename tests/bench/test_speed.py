"""The verb: what it prints and writes, and what it refuses."""

import argparse
import json
import math
from pathlib import Path

import pytest

from sampleformer.attention import ATTENTIONS
from sampleformer.bench import measure as measure_module
from sampleformer.bench.plot import draw
from sampleformer.bench.records import Record, Results
from sampleformer.bench.speed import add_arguments, run
from sampleformer.bench.table import crossover_records, crossover_words, crossovers, digits, notes
from sampleformer.errors import InputError
from sampleformer.files import write_bytes
from tests.forked import run_python

TINY = ["--lengths", "32,8", "--width", "16", "--heads", "2", "--sampled", "4", "--repeats", "2", "--threads", "1"]


def speed(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(list(options)))


def record(attention: str, direction: str, n: int, seconds: float) -> Record:
    return {
        "attention": attention,
        "own": {},
        "pass": direction,
        "n": n,
        "batch": 1,
        "width": 16,
        "heads": 2,
        "sampled": 4 if attention == "samsa" else None,
        "median_s": seconds,
        "min_s": seconds,
        "max_s": seconds,
        "peak_bytes": 1000 * n,
        "floor_s": 1e-6 * n,
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "torch": "2.6.0",
    }


def made_up(lengths: list[int]) -> Results:
    """SAMSA in 2n µs, full attention in n²/500 µs: equal at 1000."""
    results = Results()
    for n in lengths:
        results.records += [record("samsa", "forward", n, 2e-6 * n), record("full", "forward", n, 2e-9 * n**2)]
        results.floors.append(record("floor", "forward", n, 1e-6 * n))
    return results


def test_json_table_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "speed.json").write_text("an older one")
    files = {name: str(tmp_path / name) for name in ("speed.json", "speed.png", "crossovers.json")}
    speed(*TINY, "--json", files["speed.json"], "--plot", files["speed.png"], "--crossovers", files["crossovers.json"])
    records = json.loads((tmp_path / "speed.json").read_text())
    assert [(r["pass"], r["n"], r["attention"]) for r in records] == [
        (direction, n, attention)
        for direction in ("forward", "train")
        for n in (8, 32)
        for attention in ("samsa", "full")
    ]
    assert [r["sampled"] for r in records[:2]] == [4, None]
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)  # nothing half-written
    table = json.loads((tmp_path / "crossovers.json").read_text())
    assert [(record["attention"], record["pass"]) for record in table] == [("samsa", "forward"), ("samsa", "train")]
    assert all(record["device"] == "cpu" and record["sampled"] == 4 for record in table)
    printed = capsys.readouterr().out
    for text in ("k = 4, batch 1, float32, cpu, 1 thread", "Forward", "Training step", "samsa", "floor", "µs/token"):
        assert text in printed
    assert "Crossover, forward: samsa is" in printed
    assert "Crossover, train: samsa is" in printed


def test_every_attention_with_arguments_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attentions = ("--attentions", ",".join(ATTENTIONS), "--lengths", "24", "--passes", "train")
    own = ("--set", "yoso.hashes=2", "--set", "yoso.code_length=3", "--set", "sft.sampled=5")
    speed(*TINY, *attentions, *own, "--json", str(tmp_path / "a.json"))
    records = json.loads((tmp_path / "a.json").read_text())
    assert {r["attention"]: r["own"] for r in records} == {name: {} for name in ATTENTIONS} | {
        "yoso": {"hashes": 2, "code_length": 3},
        "sft": {"sampled": 5},
    }
    assert "yoso.hashes = 2, yoso.code_length = 3" in capsys.readouterr().out


def test_one_attention_one_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speed(*TINY, "--attentions", "samsa", "--passes", "forward", "--plot", str(tmp_path / "a.png"))
    printed = capsys.readouterr().out
    assert "Crossover" not in printed
    assert "Training" not in printed
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_nothing_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"))
    speed(*TINY, "--limit-seconds", "1e-9", *files)
    assert "Everything, forward, n = 8: left out" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text()) == []
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attentions", "smasa,full"], r"--attentions: 'smasa' is unknown; did you mean 'samsa'\?"),
        (["--attentions", ","], "--attentions: nothing given"),
        (["--lengths", "64,-8"], "--lengths: '-8', expected whole numbers of tokens from 1 to"),
        (["--lengths", "0"], "--lengths: '0', expected whole numbers"),
        (["--lengths", "1e3"], "--lengths: '1e3', expected whole numbers"),
        (["--lengths", "9" * 5000], "expected whole numbers"),
        (["--lengths", ""], "--lengths: nothing given"),
        (["--passes", "forwards"], r"--passes: 'forwards' is unknown; did you mean 'forward'\?"),
        (["--heads", "3"], "--heads: 3, expected a divisor of --width, which is 16"),
        (["--heads", "0"], "--heads: 0, expected at least 1"),
        (["--repeats", "0"], "--repeats: 0, expected at least 1"),
        (["--limit-seconds", "nan"], "--limit-seconds: nan, expected more than 0"),
        (["--dtype", "float23"], r"--dtype: 'float23' is unknown; did you mean 'float32'\?"),
        (["--device", "gpu"], "--device: 'gpu' is unknown; .*cuda"),
        (["--seed", str(2**64)], "--seed: .* expected an integer of 64 bits"),
        (["--plot", "speed.jpg"], r"--plot: 'speed.jpg', expected a file name that ends in \.png"),
        (["--json", "no/such/folder/speed.json"], "--json: .* there is no folder .*no/such/folder"),
        (["--json", "."], "--json: .: is a folder"),
        (["--set", "samsa.sampld=3"], r"--set samsa.sampld: unknown setting; did you mean 'sampled'\?"),
        (["--set", "samsa.sampled=many"], "--set samsa.sampled: .*'many'"),
        (["--set", "full=3"], "--set: 'full=3', expected attention.argument=value"),
        (["--set", "yoso.hashes=3"], "--set: 'yoso' is unknown; .*samsa"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure_module, "measure", lambda *arguments: pytest.fail("measured"))
    with pytest.raises(InputError, match=message) as caught:
        speed(*TINY, *options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to() -> None:
    with pytest.raises(InputError, match="--json: /proc/self/speed.json: cannot be written "):
        speed(*TINY, "--json", "/proc/self/speed.json")


def test_an_absent_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(InputError, match="--device: cuda is not available on this machine; available: cpu"):
        speed(*TINY, "--device", "cuda")


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(InputError, match="taken.json: cannot be written"):
        write_bytes(tmp_path / "taken.json", b"[]")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]


def test_options_cost_no_imports(tmp_path: Path) -> None:
    code = (
        "import argparse, sys; from sampleformer.bench.speed import add_arguments; "
        "add_arguments(argparse.ArgumentParser()); "
        "print([name for name in ('matplotlib', 'rich', 'lightning', 'torch.profiler') "
        "if name in set(sys.modules) - before])"
    )
    # What the package itself imports is not this verb's doing.
    code = f"import sys, sampleformer; before = set(sys.modules); {code}"
    done = run_python(["-c", code], tmp_path, imported="torch")
    assert done.stdout.strip() == "[]"


def test_crossovers_use_the_lengths_that_both_have() -> None:
    results = made_up([500, 2000, 8000])
    results.records.pop()  # full attention at 8000
    length, lengths = crossovers(results, "forward")["samsa"]
    assert length == pytest.approx(1000)
    assert lengths == [500, 2000]
    assert notes(results) == ["Crossover, forward: samsa is faster than full from n ≈ 1000 on."]
    assert crossovers(results, "train") == {}
    (record,) = crossover_records(results)
    assert (record["attention"], record["pass"], record["length"]) == ("samsa", "forward", 1000)


def test_crossovers_outside_what_was_measured() -> None:
    assert crossovers(made_up([2000, 4000]), "forward")["samsa"] == (0, [2000, 4000])
    assert "lies below n = 2000" in crossover_words("samsa", 0, [2000, 4000])
    assert crossovers(made_up([200, 400]), "forward")["samsa"] == (math.inf, [200, 400])
    assert crossover_records(made_up([200, 400]))[0]["length"] is None
    assert "not faster than full at n = 400" in crossover_words("samsa", math.inf, [200, 400])


def test_noisy_times_are_named() -> None:
    results = made_up([2000])
    results.records[0]["min_s"] /= 2
    assert any("Noisy" in note and "samsa forward n = 2000" in note and "full" not in note for note in notes(results))


def test_plot_of_one_point_of_many_lengths_and_without_memory() -> None:
    for results in (made_up([64]), made_up([2**power for power in range(4, 17)])):
        with_memory = draw(results)
        for each in [*results.records, *results.floors]:
            each["peak_bytes"] = None
        without = draw(results)
        assert with_memory.startswith(b"\x89PNG")
        assert without.startswith(b"\x89PNG")
        # Height is the second number of the header: one row of panels instead of two.
        assert int.from_bytes(without[20:24], "big") < int.from_bytes(with_memory[20:24], "big")


def test_digits() -> None:
    assert [digits(value) for value in (0, 0.001234, 1.2345, 99.96, 1234.5)] == [
        "0",
        "0.00123",
        "1.23",
        "100.0",
        "1234",
    ]
