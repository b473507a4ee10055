"""The verbs, run as the real program, on real input."""

import json
from pathlib import Path

import pytest

from sampleformer.wording import number
from tests.cli.conftest import SMALL, TEXTS
from tests.cli.program import INTERRUPTED, files_in, run_program
from tests.forked import run_python
from tests.training.small import write_csv, write_texts


def test_train_says_what_it_does_and_how_it_went(trained_once: Path) -> None:
    out, messages = [(trained_once / f"{name}.txt").read_text(encoding="utf-8") for name in ("stdout", "stderr")]
    assert "texts.csv: task classification (inferred from 2 different texts): ab, cd" in messages
    assert "step 6/6" in messages
    assert "Traceback" not in messages
    assert "balanced accuracy" in out
    assert "always naming the most frequent class: 0.5000" in out
    assert "report: run/report.html" in out
    run = json.loads((trained_once / "run" / "run.json").read_text())
    assert run["command"][1:3] == ["train", "--data"]
    assert run["seed"] == 3


def test_train_leaves_what_the_documentation_names(trained_once: Path) -> None:
    names = set(files_in(trained_once / "run"))
    assert names >= {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "model/config.json",
        "model/model.safetensors",
        "model/encoding.json",
        "results.json",
        "test_predictions.csv",
        "report.html",
    }
    assert not [name for name in names if name.endswith((".part", ".unfinished"))]


def test_a_finished_run_is_shown_again(trained: Path) -> None:
    before = files_in(trained)
    done = run_program(trained, ["train", "--resume", "--output", "run"])
    assert done.returncode == 0, done.stderr
    assert "report: run/report.html" in done.stdout
    assert files_in(trained) == before


def test_runs_are_blended(trained: Path) -> None:
    arguments = ["blend", "run", "--output", "both", "--set", "blend=[ngrams]"]
    done = run_program(trained, arguments)
    assert done.returncode == 0, done.stderr
    assert "alone:  transformer of run" in done.stdout
    assert "report: both/report.html" in done.stdout
    assert run_program(trained, ["evaluate", "both"]).returncode == 0
    refused = run_program(trained, arguments)
    assert (refused.returncode, refused.stderr.startswith("error: both: exists already")) == (2, True)


def test_evaluate_repeats_the_test(trained: Path) -> None:
    done = run_program(trained, ["evaluate", "run"])
    assert done.returncode == 0, done.stderr
    accuracy = json.loads((trained / "run" / "results.json").read_text())["best"]["test"]["accuracy"]
    assert number(accuracy) in done.stdout
    assert "classification, 6 samples" in done.stdout


def test_predict_twice_gives_the_same_bytes(trained: Path) -> None:
    new = [["one", "abab"], ["two", ""], ["three", '\N{SNOWMAN}d, "c"\nd']]
    write_csv(trained / "new.csv", ["id", "review"], new)
    for output in ("a.csv", "b.csv"):
        done = run_program(trained, ["predict", "run", "new.csv", "-o", output])
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"3 predictions: {output}\n"
    assert (trained / "a.csv").read_bytes() == (trained / "b.csv").read_bytes()
    assert (trained / "a.csv").read_text().splitlines()[0] == "id,prediction,probability_ab,probability_cd"


def test_predict_skips_wrong_rows_when_asked(trained: Path) -> None:
    write_csv(trained / "new.csv", ["review"], [["abab"], ["cd", "more"], ["cd"]])
    (trained / "out.csv").write_text("old")
    arguments = ["predict", "run", "new.csv", "-o", "out.csv", "--on-error", "skip", "--force"]
    done = run_program(trained, arguments)
    assert done.returncode == 0, done.stderr
    assert "new.csv: skipped 1" in done.stderr
    assert len((trained / "out.csv").read_text().splitlines()) == 3


def test_explain_writes_one_page(trained: Path) -> None:
    done = run_program(trained, ["explain", "run", "texts.csv", "-o", "page.html", "--samples", "2"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "explanation: page.html\n"
    assert (trained / "page.html").read_text(encoding="utf-8").startswith("<!")


def test_explain_compares_and_deletes(trained: Path) -> None:
    shown = ["explain", "run", "texts.csv", "-o", "page.html", "--faithfulness", "--draws", "1"]
    done = run_program(trained, [*shown, "--ids", "r1", "r2", "--seed", "5"])
    assert done.returncode == 0, done.stderr
    page = (trained / "page.html").read_text(encoding="utf-8")
    assert page.count("<section class='pair'>") == 1
    assert page.count('<section class="sample">') == 2
    done = run_program(trained, [*shown, "--beside", "run", "--samples", "1", "--force"])
    assert done.returncode == 0, done.stderr
    assert "run (2)" in (trained / "page.html").read_text(encoding="utf-8")
    done = run_program(trained, ["explain", "run", "texts.csv", "-o", "other.html", "--draws", "3"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --draws is of the deletions of --faithfulness, which is not there\n"


def test_interrupted_then_resumed_is_as_if_nothing_had_happened(trained: Path) -> None:
    folder = trained / "again"
    folder.mkdir()
    write_texts(folder / "texts.csv")
    arguments = ["train", *TEXTS, "--steps", "9", "--set", "training.check_every=3", "--output", "run", *SMALL]
    stopped = run_program(folder, arguments, INTERRUPTED)
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stdout == ""
    assert stopped.stderr.splitlines()[-1] == "interrupted; go on with: sampleformer train --resume --output run"
    assert "Traceback" not in stopped.stderr
    assert not (folder / "run" / "results.json").exists()
    resumed = run_program(folder, ["train", "--resume", "--output", "run", "--quiet"])
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr == ""
    assert json.loads((folder / "run" / "results.json").read_text())["last"]["step"] == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["train", "evaluate", "predict", "explain", "recipes", "data", "bench", "example"]),
        (["train", "--help"], ["--data", "--resume", "sampleformer train digits"]),
        (["evaluate", "--help"], ["sampleformer evaluate runs/"]),
        (["predict", "--help"], ["sampleformer predict runs/"]),
        (["explain", "--help"], ["sampleformer explain runs/"]),
        (["recipes", "--help"], ["sampleformer recipes cp digits"]),
        (["data", "--help"], ["sampleformer data prepare listops"]),
        (["data", "check", "--help"], ["sampleformer data check --data"]),
        (["bench", "speed", "--help"], ["sampleformer bench speed --attentions samsa,full"]),
        (["bench", "--help"], ["bench speed", "bench parts", "bench convergence"]),
        (["bench", "parts", "--help"], ["--head-width", "sampleformer bench parts --parts score,mixing"]),
        (["bench", "clouds", "--help"], ["--published", "sampleformer bench clouds --models samsa,pointnet"]),
        (["bench", "convergence", "--help"], ["--draws", "sampleformer bench convergence --json"]),
        (["--version"], ["sampleformer 0."]),
        (["recipes", "ls"], ["digits", "listops-small", "imdb", "cifar10"]),
        (["recipes", "show", "digits"], ["# Launch:", "data: {name: digits"]),
        (["data", "ls"], ["text", "numbers", "listops"]),
        (["data", "check", "digits"], ["classification", "1,438", "class 9", "tokens, most"]),
    ],
    ids=" ".join,
)
def test_what_is_printed(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    done = run_program(tmp_path, arguments)
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout
    assert files_in(tmp_path) == {}


def test_a_recipe_is_copied_and_read_back(tmp_path: Path) -> None:
    assert run_program(tmp_path, ["recipes", "cp", "digits", "my.yaml"]).stdout == "my.yaml\n"
    shown = run_program(tmp_path, ["recipes", "show", "digits"]).stdout
    assert (tmp_path / "my.yaml").read_text(encoding="utf-8") == shown
    again = run_program(tmp_path, ["recipes", "cp", "digits", "my.yaml"])
    assert (again.returncode, again.stderr) == (
        2,
        "error: my.yaml: exists already and is not overwritten; give another name\n",
    )


def test_data_is_checked_without_training(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.csv")
    done = run_program(tmp_path, ["data", "check", *TEXTS])
    assert done.returncode == 0, done.stderr
    for word in ("classification", "vocabulary", "class ab", "48", "tokens, fewest"):
        assert word in done.stdout
    assert list(files_in(tmp_path)) == ["texts.csv"]


def test_a_check_counts_the_descriptors(tmp_path: Path) -> None:
    rows = [f"{n / 7},{n * n / 9},{'ab'[n % 2]}" for n in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["x,y,label", *rows]))
    done = run_program(tmp_path, ["data", "check", "--data", "table.csv", "--columns", "x,y", "--label", "label"])
    assert "descriptors 4 " in done.stdout, done.stderr  # of each column its place among quantiles, and its number


def test_heavy_libraries_wait_until_they_are_needed(tmp_path: Path) -> None:
    code = (
        "import sys; from sampleformer.cli import main; main(['recipes', 'ls']);"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'lightning', 'matplotlib', 'torchmetrics'}))"
    )
    done = run_python(["-c", code], tmp_path, imported="torch")
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_debug_shows_where(tmp_path: Path) -> None:
    done = run_program(tmp_path, ["train", "--data", "no.csv", "--text", "a", "--label", "b", "--debug"])
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("no.csv: no such file")


def test_a_training_picked_by_its_loss_ends_with_a_report(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.csv")
    data = ["--data", "texts.csv", "--text", "review", "--label", "sentiment"]
    small = ["--steps", "2", "--set", "training.warmup_steps=1", "--set", "model.width=8", "--set", "model.heads=2"]
    done = run_program(
        tmp_path, ["train", *data, *small, "--set", "training.selected_by=loss", "--output", "run", "--quiet"]
    )
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    assert "test accuracy, best on validation" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
