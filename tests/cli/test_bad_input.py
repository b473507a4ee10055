"""Everything that a user can get wrong ends in one line, exit code 2, and nothing made or changed."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, TEXTS
from tests.cli.program import refused, run_program
from tests.training.small import write_csv, write_numbers, write_texts

NUMBERS = ["--data", "numbers.csv", "--numbers", "--label", "price"]
SMALLEST = ["--set", "model.width=8", "--set", "model.heads=2"]


def _append(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def _label_once(folder: Path) -> None:
    _append(write_texts(folder / "texts.csv"), b"r60,abc,neither\r\n")


def _broken_utf8(folder: Path) -> None:
    _append(write_texts(folder / "texts.csv"), b"r60,caf\xe9,ab\r\n")


def _wrong_width(folder: Path) -> None:
    _append(write_texts(folder / "texts.csv"), b"r60,abc,ab,more\r\n")


def _not_a_number(folder: Path) -> None:
    _append(write_numbers(folder / "numbers.csv"), b"1,2,much,4,50000\r\n")


def _cut_gzip(folder: Path) -> None:
    packed = gzip.compress(write_texts(folder / "texts.csv").read_bytes())
    (folder / "texts.csv.gz").write_bytes(packed[: len(packed) // 2])


def _ten_megabytes(folder: Path) -> None:
    _append(write_texts(folder / "texts.csv"), b"r60," + b"a" * 10_000_000 + b",ab\r\n")


def _empty_file(folder: Path) -> None:
    (folder / "texts.csv").write_bytes(b"")


def _texts(folder: Path) -> None:
    write_texts(folder / "texts.csv")


def _numbers(folder: Path) -> None:
    write_numbers(folder / "numbers.csv")


def _nothing(folder: Path) -> None:
    assert folder.is_dir()


def _existing(folder: Path) -> None:
    write_texts(folder / "texts.csv")
    (folder / "run").mkdir()
    (folder / "run" / "precious.txt").write_text("kept")


@pytest.mark.parametrize(
    ("prepare", "arguments", "words"),
    [
        pytest.param(_nothing, TEXTS, ["texts.csv", "no such file"], id="missing file"),
        pytest.param(
            _texts,
            ["--data", "texts.csv", "--text", "reveiw", "--label", "sentiment"],
            ["texts.csv", "'reveiw'", "did you mean 'review'"],
            id="missing column",
        ),
        pytest.param(_empty_file, TEXTS, ["texts.csv", "empty"], id="empty file"),
        pytest.param(_label_once, TEXTS, ["texts.csv", "row 61", "'neither'", "at least 2"], id="label once"),
        pytest.param(_not_a_number, NUMBERS, ["numbers.csv", "row 61", "'c'", "much"], id="word in a number column"),
        pytest.param(_broken_utf8, TEXTS, ["texts.csv", "row 61", "UTF-8"], id="broken UTF-8"),
        pytest.param(_wrong_width, TEXTS, ["texts.csv", "row 61", "4", "3"], id="row of the wrong width"),
        pytest.param(
            _cut_gzip, ["--data", "texts.csv.gz", *TEXTS[2:]], ["texts.csv.gz", "cut short"], id="truncated gzip"
        ),
        pytest.param(
            _ten_megabytes, TEXTS, ["texts.csv", "row 61", "10,000,000", "max_length"], id="text of ten megabytes"
        ),
        pytest.param(
            _texts, [*TEXTS, "--set", "model.heads=3"], ["heads is 3", "width = 64"], id="heads that do not divide"
        ),
        pytest.param(_nothing, ["digtis"], ["unknown recipe 'digtis'", "did you mean 'digits'"], id="unknown recipe"),
        pytest.param(
            _nothing,
            ["digits", "--set", "training.learning_rat=1"],
            ["training.learning_rat", "unknown setting", "did you mean 'learning_rate'"],
            id="unknown setting",
        ),
        pytest.param(
            _texts,
            [*TEXTS, "--set", "data.max_lenght=5"],
            ["data.max_lenght", "did you mean 'max_length'"],
            id="unknown setting of the data",
        ),
        pytest.param(
            _texts,
            [*TEXTS, "--set", "model.attention.sampeld=5"],
            ["model.attention.sampeld", "did you mean 'sampled'"],
            id="unknown setting of the attention",
        ),
        pytest.param(_existing, TEXTS, ["run", "exists already", "never overwritten"], id="run folder that exists"),
        pytest.param(
            _numbers, ["--data", "numbers.csv", "--label", "price"], ["--data", "--text COLUMN"], id="kind of table"
        ),
        pytest.param(_nothing, ["digits", "--device", "gpu"], ["--device", "'gpu'", "cuda"], id="unknown device"),
        pytest.param(_nothing, ["digits", "--epochs", "many"], ["--epochs", "'many'"], id="no number"),
        pytest.param(
            _nothing, ["digits", "--epoch", "3"], ["'--epoch'", "did you mean '--epochs'"], id="unknown option"
        ),
        pytest.param(_existing, ["--resume"], ["run", "not a run folder"], id="resume what is no run"),
        pytest.param(
            _nothing,
            ["digits", "--set", "training.schedules.noise.until=2"],
            ["training.schedules.noise.until", "less than or equal to 1", "got 2"],
            id="schedule beyond the training",
        ),
        pytest.param(
            _nothing,
            ["digits", "--attention", "full", "--set", "training.schedules.noise.to=0"],
            ["training.schedules.noise", "'full' chooses no tokens"],
            id="schedule of nothing",
        ),
    ],
)
def test_train(tmp_path: Path, prepare: Callable[[Path], None], arguments: list[str], words: list[str]) -> None:
    prepare(tmp_path)
    message = refused(tmp_path, ["train", *arguments, "--output", "run"])
    for word in words:
        assert word in message


def test_diverging_names_layer_and_head(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.csv")
    rate = ["--set", "training.learning_rate=1e30", "--set", "training.warmup_steps=0"]
    done = run_program(tmp_path, ["train", *TEXTS, *SMALL, *rate, "--output", "run", "--steps", "5", "--quiet"])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert re.match(r"error: layer 1, head \d: \d+ of \d+ scores are NaN or infinite: the training has diverged", line)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def test_checkpoint_cut_short(trained: Path) -> None:
    (trained / "run" / "results.json").unlink()  # as if it had been stopped
    for checkpoint in (trained / "run" / "checkpoints").iterdir():
        _cut(checkpoint)
    message = refused(trained, ["train", "--resume", "--output", "run"])
    assert message.startswith("run/checkpoints/last.ckpt: not a checkpoint (1000 bytes, cut short")


def test_resume_with_other_settings(trained: Path) -> None:
    (trained / "run" / "results.json").unlink()
    message = refused(trained, ["train", "--resume", "--output", "run", "--set", "model.width=16"])
    assert message.startswith("model.width: 16 was asked for, but the run was started with 8")


def test_a_finished_run_is_not_made_longer(trained: Path) -> None:
    message = refused(trained, ["train", "--resume", "--output", "run", "--steps", "9"])
    assert message.startswith("training.steps: 9 was asked for, but the run was started with 6")


def test_model_cut_short(trained: Path) -> None:
    _cut(trained / "run" / "model" / "model.safetensors")
    message = refused(trained, ["predict", "run", "texts.csv", "-o", "out.csv"])
    assert message.startswith("run/model/model.safetensors: not a whole safetensors file")


def test_encoding_cut_short(trained: Path) -> None:
    (trained / "run" / "model" / "encoding.json").write_text('{"inputs":')
    message = refused(trained, ["evaluate", "run", "texts.csv"])
    assert message.startswith("run/model/encoding.json: not valid JSON")


def test_predictions_are_not_overwritten(trained: Path) -> None:
    (trained / "out.csv").write_text("precious")
    message = refused(trained, ["predict", "run", "texts.csv", "-o", "out.csv"])
    assert message == "out.csv: exists already and is not overwritten; give another name, or overwrite it with --force"


def test_wrong_row_in_new_data(trained: Path) -> None:
    write_csv(trained / "new.csv", ["review"], [["abab"], ["cd", "more"]])
    message = refused(trained, ["predict", "run", "new.csv", "-o", "out.csv"])
    assert message.startswith("new.csv: row 2 (line 3)")


def test_label_that_training_has_not_seen(trained: Path) -> None:
    write_csv(trained / "new.csv", ["review", "sentiment"], [["abab", "ab"], ["cdcd", "dc"]])
    message = refused(trained, ["evaluate", "run", "new.csv"])
    assert message.startswith("new.csv: row 2 (line 3)")
    assert "'dc'" in message


def test_what_is_no_run(trained: Path) -> None:
    message = refused(trained, ["explain", "nowhere", "texts.csv", "-o", "page.html"])
    assert message == "nowhere: no such folder, expected that of a run; runs beside it: run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown verb 'trian'; did you mean 'train'?"),
        ([], "expected a verb: train, "),
        (["recipes", "show", "digist"], "unknown recipe 'digist'; did you mean 'digits'?"),
        (["data", "check", "listosp"], "unknown data 'listosp'; did you mean 'listops'?"),
        (["data", "prepare", "digits"], "data prepare digits: it is read as it is; give -o DIR to write it"),
        (["data", "prepare"], "data prepare: expected a kind of data, a recipe, or --data FILE"),
        (["data", "prepare", "digits", "-o", "x", "--workers", "-1"], "workers: found -1, expected 0 or more"),
        (["recipes", "cp", "digits", "my.txt"], "my.txt: expected a name that ends in .yaml"),
    ],
)
def test_other_verbs(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert refused(tmp_path, arguments).startswith(message)
