"""Tables that are predicted and evaluated piece by piece."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.training import RunFolder, evaluate, evaluation, predict, train
from tests.training.small import text_recipe, write_texts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("pieces")
    return train(text_recipe(write_texts(folder / "texts.csv"), steps=2, check_every=2), folder / "run", quiet=True)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write(path: Path, rows: int) -> Path:
    write_texts(path.with_suffix(".csv"), rows)
    table = [
        dict(zip(*pair, strict=True))
        for pair in zip([["id", "review", "sentiment"]] * rows, rows_of(path.with_suffix(".csv"))[1:], strict=True)
    ]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table))
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(table), path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("rows", [1, 7, 39, 40, 41])
def test_predictions_do_not_depend_on_the_pieces(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, rows: int
) -> None:
    path = write(tmp_path / f"new.{ending}", 40)
    assert predict(run.path, path, tmp_path / "whole.csv") == 40
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", rows)
    assert predict(run.path, path, tmp_path / "pieces.csv") == 40
    whole, pieces = rows_of(tmp_path / "whole.csv"), rows_of(tmp_path / "pieces.csv")
    assert [row[:2] for row in whole] == [row[:2] for row in pieces]
    numbers = [np.array([row[2:] for row in found[1:]], float) for found in (whole, pieces)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-5)


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_scores_do_not_depend_on_the_pieces(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    def outputs(model: object, samples: Samples, *others: object) -> np.ndarray:
        """Outputs that depend on a sample alone, to the last bit."""
        return np.array([[len(each), each.features.sum() % 5] for each in samples], np.float32)

    monkeypatch.setattr(evaluation, "model_outputs", outputs)
    path = write(tmp_path / "new.csv", 40)
    whole = evaluate(run.path, path)
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", rows)
    assert evaluate(run.path, path) == whole
    assert whole["samples"] == 40


def test_few_samples_are_in_memory(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = evaluation.model_outputs

    def outputs(model: object, samples: Samples, *others: object) -> np.ndarray:
        sizes.append(len(samples))
        return original(model, samples, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "model_outputs", outputs)
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 9)
    predict(run.path, write(tmp_path / "new.csv", 40), tmp_path / "out.csv")
    assert sizes == [9, 9, 9, 9, 4]


def test_freed_memory_is_given_back_before_it_grows_far(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, most, given_back = 500 * 2**20, 0, 0

    def resident() -> int:
        """Each look finds 16 MiB more, until they are given back."""
        nonlocal held, most
        held += 2**24
        most = max(most, held)
        return held

    def give_back() -> None:
        nonlocal held, given_back
        held, given_back = 500 * 2**20, given_back + 1

    monkeypatch.setattr(evaluation, "resident_bytes", resident)
    monkeypatch.setattr(evaluation, "return_freed_memory", give_back)
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 1)
    predict(run.path, write(tmp_path / "new.csv", 40), tmp_path / "out.csv")
    assert 0 < given_back < 20  # not each time
    assert most <= 500 * 2**20 + 2**24 + evaluation._HOLES + 2**24


def test_long_rows_make_small_pieces(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampleformer.tables.fields.PIECE_CHARACTERS", 50)
    encoding = run.read_encoding()
    pieces = [len(samples) for samples in encoding.read_pieces(write(tmp_path / "a.csv", 40), targets=False, rows=100)]
    assert sum(pieces) == 40
    assert max(pieces) < 10


def test_wrong_rows_of_all_pieces_are_counted_in_one_line(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 7)
    path = write(tmp_path / "new.jsonl", 40)
    lines = path.read_text().splitlines()
    for place in (3, 20, 21, 39):
        lines[place] = json.dumps({"id": "wrong", "review": 7})
    path.write_text("\n".join(lines))
    assert predict(run.path, path, tmp_path / "out.csv", on_error="skip") == 36
    (message,) = [each for each in caplog.messages if "wrong rows" in each]
    assert (
        message == f"{path}: skipped 4 wrong rows, the first: row 4 (line 4): column 'review': found 7, expected a text"
    )
    assert "wrong" not in [row[0] for row in rows_of(tmp_path / "out.csv")]


@pytest.mark.parametrize("place", [0, 20, 39])
def test_wrong_row_leaves_nothing_half_written(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 7)
    path = write(tmp_path / "new.jsonl", 40)
    lines = path.read_text().splitlines()
    lines[place] = "{"
    path.write_text("\n".join(lines))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"row {place + 1} \(line {place + 1}\): not valid JSON"):
        predict(run.path, path, tmp_path / "out.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_that_some_pieces_lack(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 2)
    rows = [{"review": "ab"}, {"review": "cd"}, {"id": "x"}, {"id": "y"}, {"id": "z", "review": "ab"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict(run.path, tmp_path / "a.jsonl", tmp_path / "out.csv") == 5
    assert [row[0] for row in rows_of(tmp_path / "out.csv")[1:]] == ["", "", "x", "y", "z"]
