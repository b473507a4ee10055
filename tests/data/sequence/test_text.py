"""Tables of texts: from a file to samples in three parts, and new files with the same encoding."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import SOURCES, Encoding, Splits, TextTable
from sampleformer.data.sequence.text_columns import LONGEST
from sampleformer.errors import InputError
from sampleformer.settings import Component

WORDS = {"good": "fine great super", "bad": "poor awful boring", "so": "plain usual medium"}


def write(path: Path, rows: list[list[str]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    rows = [[f"{words} {number % 7}", label] for number in range(40) for label, words in WORDS.items()]
    return write(tmp_path / "reviews.csv", rows)


def load(path: Path, **arguments: object) -> Splits:
    return TextTable(path, text="text", label="label", **({"tokens": "bytes"} | arguments)).load()  # type: ignore[arg-type]


def error(path: Path, **arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        load(path, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bytes_of_a_table(reviews: Path) -> None:
    splits = load(reviews)
    encoding = splits.encoding
    assert (encoding.task.name, encoding.task.outputs, encoding.task.labels) == (
        "classification",
        3,
        ["bad", "good", "so"],
    )
    assert (encoding.model_inputs, encoding.layout) == ({"vocabulary": 256}, None)
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [96, 12, 12]
    for part in (splits.train, splits.valid, splits.test):
        assert part.targets is not None
        assert np.bincount(part.targets).tolist() == [len(part) // 3] * 3
    sample = splits.train[0]
    assert sample.features.tobytes().decode() == sample.source
    assert sample.target is not None
    assert (sample.source or "").startswith(WORDS[encoding.task.labels[int(sample.target)]])


def test_rows_are_named_by_number_or_by_column(tmp_path: Path) -> None:
    rows = [[f"text {number}", "ab"[number % 2], f"n{number}"] for number in range(20)]
    plain = write(tmp_path / "plain.csv", [row[:2] for row in rows])
    with_id = write(tmp_path / "id.csv", rows, ("text", "label", "id"))
    with_name = write(tmp_path / "name.csv", rows, ("text", "label", "name"))
    texts = {}
    for path, arguments in ((plain, {}), (with_id, {}), (with_name, {"id": "name"})):
        splits = load(path, **arguments)
        texts[path.stem] = {s.id: s.source for part in (splits.train, splits.valid, splits.test) for s in part}
    assert texts["plain"] == {str(number + 1): f"text {number}" for number in range(20)}
    assert texts["id"] == texts["name"] == {f"n{number}": f"text {number}" for number in range(20)}


def test_vocabulary_comes_from_the_training_part_only(tmp_path: Path) -> None:
    rows = [
        ["seen seen", "a", "train"],
        ["seen seen", "b", "train"],
        ["seen new new", "a", "valid"],
        ["x", "b", "test"],
    ]
    path = write(tmp_path / "a.csv", rows, ("text", "label", "part"))
    splits = load(path, tokens="words", test="part")
    assert splits.encoding.model_inputs == {"vocabulary": 2}
    assert splits.valid[0].features.tolist() == [1, 0, 0]
    assert splits.encoding.pieces(splits.valid[0]) == ["seen", "new", "new"]


def test_files_for_validation_and_test(reviews: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", [["fine", "good"], ["poor", "bad"]])
    splits = load(reviews, valid=str(other), test=str(other))
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [120, 2, 2]
    assert splits.valid.ids == ["1", "2"]
    splits = load(reviews, test=str(other))
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [108, 12, 2]


def test_file_and_column_for_the_same_part(tmp_path: Path) -> None:
    rows = [[f"text {number}", "ab"[number % 2], ["train", "valid", "test"][number % 3]] for number in range(30)]
    path = write(tmp_path / "a.csv", rows, ("text", "label", "part"))
    other = write(tmp_path / "b.csv", rows[:4], ("text", "label", "part"))
    assert "valid: given as the file" in error(path, valid=str(other), test="part")


def test_split_that_is_neither_file_nor_column(reviews: Path, tmp_path: Path) -> None:
    assert "valid: 'lable' is neither a file nor a column" in error(reviews, valid="lable")
    assert "did you mean 'label'" in error(reviews, valid="lable")
    assert "no such file" in error(reviews, test=str(tmp_path / "none.csv"))


def test_limit_keeps_classes_in_proportion(reviews: Path) -> None:
    splits = load(reviews, limit=9)
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [9, 9, 9]
    assert splits.train.targets is not None
    assert np.bincount(splits.train.targets).tolist() == [3, 3, 3]
    assert load(reviews, limit=9).train.ids == splits.train.ids


def test_seed_changes_the_split(reviews: Path) -> None:
    assert load(reviews).test.ids == load(reviews).test.ids
    assert load(reviews).test.ids != load(reviews, seed=1).test.ids


def test_longer_texts_are_cut_and_counted(reviews: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = load(reviews, max_length=5)
    assert splits.truncated == 120
    assert splits.train.lengths.max() == 5
    assert "96 texts were cut at the maximum length" in caplog.text
    assert splits.encoding.pieces(splits.train[0]) == list((splits.train[0].source or "")[:5])


def test_text_of_ten_megabytes(tmp_path: Path) -> None:
    rows = [["x", "ab"[number % 2]] for number in range(20)]
    rows[3][0] = "long " * 2_000_000
    path = write(tmp_path / "a.csv", rows)
    assert error(path, valid=None) == (
        f"{path}: row 4 (line 5): column 'text': found a text of 10,000,000 tokens, expected at most {LONGEST:,}; "
        "set max_length to cut longer texts"
    )
    skipping = load(path, on_error="skip")
    assert skipping.skipped == 1
    assert sum(len(part) for part in (skipping.train, skipping.valid, skipping.test)) == 19
    assert load(path, max_length=10).truncated == 1


def test_empty_texts_are_kept_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.csv", [["" if number < 4 else "x", "ab"[number % 2]] for number in range(20)])
    splits = load(path, tokens="words")
    assert sum((part.lengths == 0).sum() for part in (splits.train, splits.valid, splits.test)) == 4
    assert "texts are empty and kept, as samples without tokens" in caplog.text


def test_label_seen_once(reviews: Path) -> None:
    with reviews.open("a") as file:
        file.write("strange,other\n")
    assert "row 121 (line 122): column 'label': label 'other' occurs once, expected at least 2 rows" in error(reviews)
    splits = load(reviews, on_error="skip")
    assert (splits.skipped, splits.encoding.task.labels) == (1, ["bad", "good", "so"])


def test_label_seen_once_is_fine_when_the_parts_are_given(reviews: Path, tmp_path: Path) -> None:
    with reviews.open("a") as file:
        file.write("strange,other\n")
    other = str(write(tmp_path / "other.csv", [["fine", "good"]]))
    assert load(reviews, valid=other, test=other).encoding.task.labels == ["bad", "good", "other", "so"]


def test_label_that_training_has_not_seen(reviews: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", [["fine", "good"], ["fine", "excellent"]])
    message = error(reviews, test=str(other))
    assert message.startswith(f"{other}: row 2 (line 3): column 'label': label 'excellent' does not occur")
    assert message.endswith("expected one of: bad, good, so")
    splits = load(reviews, test=str(other), on_error="skip")
    assert (len(splits.test), splits.skipped) == (1, 1)


def test_part_of_which_no_row_is_usable(reviews: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", [["fine", "excellent"]])
    assert f"{other}: found no usable rows for test" in error(reviews, test=str(other), on_error="skip")


def test_missing_columns(reviews: Path) -> None:
    with pytest.raises(InputError, match="column 'txt' is missing; did you mean 'text'"):
        TextTable(reviews, text="txt", label="label").load()
    with pytest.raises(InputError, match="column 'lable' is missing; did you mean 'label'"):
        TextTable(reviews, text="text", label="lable").load()
    assert "column 'nme' is missing" in error(reviews, id="nme")


def test_text_column_as_label(reviews: Path) -> None:
    with pytest.raises(InputError, match="column 'text' is both input and label"):
        TextTable(reviews, text="text", label="text").load()


def test_too_few_rows_to_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [["x", "a"], ["y", "b"]] * 4)
    assert f"{path}: found 8 rows, expected at least 10" in error(path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"tokens": "byte"}, "tokens: found 'byte'; did you mean 'bytes'"),
        ({"max_length": 0}, "max_length: found 0, expected at least 1"),
        ({"min_count": 0}, "min_count: found 0"),
        ({"limit": 0}, "limit: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"on_error": "ignore"}, "on_error: found 'ignore', expected 'stop' or 'skip'"),
        ({"task": "classify"}, "task: unknown name 'classify'"),
    ],
)
def test_wrong_arguments(reviews: Path, arguments: dict, expected: str) -> None:
    assert expected in error(reviews, **arguments)


def test_texts_in_json_must_be_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": null, "label": 1}\n{"text": "b", "label": 0}\n{"text": 5, "label": 0}\n')
    assert "row 3 (line 3): column 'text': found 5, expected a text" in error(path)


def test_several_labels_with_missing_values(tmp_path: Path) -> None:
    rows = [["text", str(number % 2), "" if number % 3 else "1"] for number in range(30)]
    path = write(tmp_path / "a.csv", rows, ("text", "x", "y"))
    splits = TextTable(path, text="text", label=["x", "y"]).load()
    assert (splits.encoding.task.name, splits.encoding.task.labels) == ("multilabel", ["x", "y"])
    assert splits.train.targets is not None
    assert np.isnan(splits.train.targets[:, 1]).mean() == pytest.approx(2 / 3, abs=0.1)


def test_regression(tmp_path: Path) -> None:
    rows = [["text " * number, str(100 + 0.5 * number)] for number in range(60)]
    splits = load(write(tmp_path / "a.csv", rows))
    assert splits.encoding.task.name == "regression"
    assert splits.train.targets is not None
    assert splits.train.targets.mean() == pytest.approx(0, abs=1e-6)
    values = splits.encoding.task.decode(splits.train.targets)["label"]
    assert values == pytest.approx([100 + 0.5 * (int(name) - 1) for name in splits.train.ids])


@pytest.mark.parametrize("tokens", ["bytes", "characters", "words", "whitespace"])
def test_saved_encoding_reads_new_files_the_same_way(reviews: Path, tmp_path: Path, tokens: str) -> None:
    splits = load(reviews, tokens=tokens, max_length=8)
    splits.encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    again = encoding.read(reviews, targets=True)
    for sample in splits.test:
        same = again[int(sample.id) - 1]
        assert same.features.tolist() == sample.features.tolist()
        assert same.target == sample.target
        assert encoding.pieces(same) == splits.encoding.pieces(sample)
    assert (encoding.task.labels, encoding.model_inputs, encoding.task.name) == (
        splits.encoding.task.labels,
        splits.encoding.model_inputs,
        "classification",
    )


def test_new_file_needs_no_labels_unless_asked(reviews: Path, tmp_path: Path) -> None:
    encoding = load(reviews).encoding
    new = write(tmp_path / "new.csv", [["fine", "7"], ["", "8"]], ("text", "id"))
    samples = encoding.read(new, targets=False)
    assert samples.targets is None
    assert (samples.ids, samples.lengths.tolist()) == (["7", "8"], [4, 0])
    with pytest.raises(InputError, match="column 'label' is missing"):
        encoding.read(new, targets=True)


def test_new_file_with_wrong_rows(reviews: Path, tmp_path: Path) -> None:
    encoding = load(reviews).encoding
    new = write(tmp_path / "new.csv", [["fine", "excellent"], ["poor", "bad"], ["one"]])
    with pytest.raises(InputError, match="found 1 field,"):
        encoding.read(new, targets=True)
    assert encoding.read(new, targets=True, on_error="skip").ids == ["2"]
    only = write(tmp_path / "only.csv", [["fine", "excellent"]])
    with pytest.raises(InputError, match="found no row that can be used"):
        encoding.read(only, targets=True, on_error="skip")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "no such file, expected a saved encoding"), ("{", "not valid JSON"), ("{}", "not a saved encoding")],
)
def test_encoding_file_that_cannot_be_used(tmp_path: Path, content: str | None, expected: str) -> None:
    path = tmp_path / "encoding.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=expected):
        Encoding.load(path)


def test_built_from_a_recipe(reviews: Path) -> None:
    component = Component(name="text", path=str(reviews), text="text", label="label", tokens="words", limit=5)
    source = component.build(SOURCES, "data")
    assert len(source.load().train) == 5


def test_texts_of_several_columns_are_one_text(tmp_path: Path) -> None:
    rows = [[f"title {number}", "" if number % 5 == 0 else f"body {number}", "ab"[number % 2]] for number in range(40)]
    path = write(tmp_path / "news.csv", rows, ("title", "body", "label"))
    splits = TextTable(path, text=["title", "body"], label="label", tokens="bytes").load()
    for part in (splits.train, splits.valid, splits.test):
        for sample in part:
            number = int(sample.id) - 1
            assert sample.source == (f"title {number}" if number % 5 == 0 else f"title {number}\nbody {number}")
            assert sample.features.tobytes().decode() == sample.source
    splits.encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    assert [sample.source for sample in encoding.read(path, targets=False)][:2] == ["title 0", "title 1\nbody 1"]
    given = [{"title": "a", "body": "b"}, {"title": None, "body": "b"}, {"title": "a", "body": None}]
    (samples, _), *_ = encoding.given(given)
    assert [sample.source for sample in samples] == ["a\nb", "b", "a"]
    (samples, _), *_ = encoding.given(["a text that stands alone"])
    assert [sample.source for sample in samples] == ["a text that stands alone"]
    with pytest.raises(InputError, match="sample 0: column 'body' is missing"):
        list(encoding.given([{"title": "a"}]))
    with pytest.raises(InputError, match="column 'body'"):
        list(encoding.read(write(tmp_path / "titles.csv", [["a"]], ("title",)), targets=False))
    assert encoding.sample_schema["anyOf"][1]["required"] == ["title", "body"]


@pytest.mark.parametrize("text", [[], ["text", "text"]], ids=str)
def test_columns_of_texts_are_different_ones(text: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="text: found .* expected a column, or several different ones"):
        TextTable(tmp_path / "a.csv", text=text, label="label")


def test_a_wrong_value_names_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "a", "body": 3, "label": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="column 'body': found .*3.*, expected a text"):
        TextTable(path, text=["title", "body"], label="label").load()
