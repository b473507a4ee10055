"""Tables of numbers and pixels."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import Encoding, NumberTable, Splits
from sampleformer.data.descriptors import TableColumns
from sampleformer.errors import InputError
from sampleformer.tables.format import TableFormat


def write(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [[n, *random.normal([5.0, -300.0], [1.0, 40.0]).tolist(), 7, "ab"[n % 2]] for n in range(50)]
    return write(tmp_path / "signals.csv", ["id", "x", "y", "constant", "state"], rows)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [[*random.integers(0, 256, size=6).tolist(), n % 2] for n in range(30)]
    return write(tmp_path / "images.csv", [*(f"p{n}" for n in range(6)), "label"], rows)


def parts(splits: Splits) -> list:
    return [splits.train, splits.valid, splits.test]


def test_numbers_are_standardised_by_the_training_part(signals: Path) -> None:
    splits = NumberTable(signals, label="state").load()
    assert splits.encoding.model_inputs == {"features": 1, "length": 3}
    values = np.stack([sample.features[:, 0] for sample in splits.train])
    assert values.shape == (40, 3)
    assert values.dtype == np.float32
    assert values.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6)
    assert values.std(axis=0) == pytest.approx([1, 1, 0], abs=1e-6)


def test_pieces_show_names_and_values_in_their_unit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["x", "y", "label"], [[n / 2, -n, n % 2] for n in range(20)])
    splits = NumberTable(path, label="label").load()
    for sample in splits.test:
        n = int(sample.id) - 1
        assert splits.encoding.pieces(sample) == [f"x = {n / 2:.6g}", f"y = {-n}"]


def test_columns_are_all_that_are_not_named_elsewhere(tmp_path: Path) -> None:
    rows = [[n, n * n, n / 2, n * n, ["train", "valid", "test"][n % 3], n % 2] for n in range(30)]
    path = write(tmp_path / "a.csv", ["name", "a", "b", "id", "part", "label"], rows)
    splits = NumberTable(path, label="label", test="part", id="name").load()
    assert splits.train.lengths.tolist() == [2] * 10
    assert NumberTable(path, label="label", test="part").load().train.lengths.tolist() == [2] * 10
    chosen = NumberTable(path, label="label", test="part", columns=["b", "a"]).load()
    assert chosen.encoding.pieces(chosen.train[0])[0].startswith("b = ")


def test_columns_of_words_are_no_numbers(tmp_path: Path) -> None:
    rows = [[f"S{n}", n * n, "ab"[n % 2], n % 3, n % 2] for n in range(20)]
    path = write(tmp_path / "a.csv", ["sample", "x", "kind", "y", "label"], rows)
    with pytest.raises(InputError) as raised:
        NumberTable(path, "label").load()
    assert str(raised.value) == (
        f"{path}: found no number in 'kind'; --features takes columns of categories beside the numbers, --set "
        "data.id=kind one that names the rows, and --set 'data.left_out=[kind]' leaves it out"
    )
    described = NumberTable(path, "label")
    described.descriptors = [TableColumns(["kind"])]
    for source in (described, NumberTable(path, "label", left_out=["kind"]), NumberTable(path, "label", id="kind")):
        assert input_names(source) == ["x", "y"]
    assert input_names(NumberTable(path, "label", left_out=["kind", "x"])) == ["y"]
    with pytest.raises(InputError, match="column 'kid' is missing; did you mean 'kind'"):
        NumberTable(path, "label", left_out=["kid"]).load()


def input_names(source: NumberTable) -> list[str]:
    splits = source.load()
    return [piece.split(" = ")[0] for piece in splits.encoding.pieces(splits.train[0])]


INDEX_NAMES = ["", "Unnamed: 0", "__index_level_0__", "index", "ID", "Id", "id", "case"]


@pytest.mark.parametrize("start", [0, 1, 500])
@pytest.mark.parametrize("name", INDEX_NAMES)
@pytest.mark.parametrize("values", ["numbers", "codes"])
def test_a_column_that_counts_the_rows_is_no_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, start: int, values: str
) -> None:
    caplog.set_level("INFO")
    rows = [[start + n, n % 7, (n * n) % 5, "ab"[n >= 20]] for n in range(40)]  # sorted by class
    splits = NumberTable(write(tmp_path / "a.csv", [name, "x", "y", "state"], rows), "state", values=values).load()
    assert splits.encoding.model_inputs["length"] == 2
    line = next(line for line in caplog.messages if "inputs: " in line)
    assert "inputs: x, y; predicted: state; " in line
    assert (name or "Unnamed: 0") in line.partition("; predicted: state; ")[2]


@pytest.mark.parametrize("name", INDEX_NAMES[:-1])
def test_an_index_of_shuffled_rows_is_no_input(tmp_path: Path, name: str) -> None:
    order = np.random.default_rng(0).permutation(40).tolist()
    rows = [[place, place % 7, "ab"[place >= 20]] for place in order]
    splits = NumberTable(write(tmp_path / "a.csv", [name, "x", "state"], rows), "state").load()
    assert splits.encoding.model_inputs["length"] == 1


@pytest.mark.parametrize(("name", "step"), [("time", 2), ("index", 0.5), ("row", 0)])
def test_a_column_that_only_looks_like_an_index_is_an_input(tmp_path: Path, name: str, step: float) -> None:
    rows = [[step * n, n % 7, "ab"[n % 2]] for n in range(40)]
    splits = NumberTable(write(tmp_path / "a.csv", [name, "x", "state"], rows), "state").load()
    assert splits.encoding.model_inputs["length"] == 2


def test_an_index_that_is_asked_for_is_an_input(tmp_path: Path) -> None:
    rows = [[n, n % 7, "ab"[n % 2]] for n in range(40)]
    path = write(tmp_path / "a.csv", ["index", "x", "state"], rows)
    assert NumberTable(path, "state", columns=["index", "x"]).load().encoding.model_inputs["length"] == 2


def test_the_columns_used_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rows = [[n, n % 7, n * n, f"k{n}", "ab"[n % 2]] for n in range(40)]
    path = write(tmp_path / "a.csv", ["index", "x", "y", "Id", "state"], rows)
    NumberTable(path, "state", columns=["x"]).load()
    assert (
        f"{path}: inputs: x; predicted: state; rows named by: Id; left out: index (counts the rows); not used: y"
        in (caplog.messages)
    )


@pytest.mark.parametrize("large", ["1e39", "1e300", "1e12", "3e38"])
@pytest.mark.parametrize("where", ["x", "price"])
def test_numbers_that_no_model_holds_name_row_and_column(tmp_path: Path, large: str, where: str) -> None:
    rows = [[n % 7, n % 5, 0.5 + n] for n in range(40)]
    rows[7][0 if where == "x" else 2] = large
    path = write(tmp_path / "a.csv", ["x", "y", "price"], rows)
    with pytest.raises(InputError, match=rf"row 8 \(line 9\): column '{where}': found '?{large[:2]}"):
        NumberTable(path, "price").load()
    assert NumberTable(path, "price", on_error="skip").load().skipped == 1


def test_new_rows_far_from_the_training_are_wrong_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["x", "state"], [[(n % 7) * 1e-30, "ab"[n % 2]] for n in range(40)])
    encoding = NumberTable(path, "state").load().encoding
    with pytest.raises(InputError, match="row 1 .*column 'x': found 1e.20, too far from the mean of the training part"):
        encoding.read(write(tmp_path / "b.csv", ["x"], [[1e20]]), targets=False)


def test_several_targets_with_gaps(tmp_path: Path) -> None:
    rows = [[n % 7, n if n % 3 else "", 2 * n if n % 4 else None] for n in range(1, 61)]
    rows = [row for row in rows if row[1:] != ["", None]]
    splits = NumberTable(write(tmp_path / "a.csv", ["x", "a", "b"], rows), ["a", "b"]).load()
    assert splits.encoding.task.name == "regression"
    known = [~np.isnan(sample.target) for part in parts(splits) for sample in part if sample.target is not None]
    counts = [sum(row[1] != "" for row in rows), sum(row[2] is not None for row in rows)]
    assert np.sum(known, axis=0).tolist() == counts


def test_format_is_saved_and_used_for_new_files(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"{n},5;{n};a\n{n},5;0;b\n" for n in range(20))
    path.write_bytes(f"x;größe;state\n{rows}".encode("cp1252"))
    format = TableFormat(separator=";", encoding="cp1252", decimal=",")
    NumberTable(path, "state", columns=["x", "größe"], format=format).load().encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    assert encoding.format == format
    samples = encoding.read(path, targets=True)
    assert encoding.pieces(samples[2]) == ["x = 1.5", "größe = 1"]
    other = tmp_path / "b.csv"
    other.write_text("x|größe\n1.5|1\n", encoding="utf-8")
    changed = TableFormat(separator="|", encoding="utf-8", decimal=".")
    assert encoding.pieces(encoding.read(other, targets=False, format=changed)[0]) == ["x = 1.5", "größe = 1"]


def test_other_files_are_read_by_the_main_tables_columns(signals: Path, tmp_path: Path) -> None:
    rows = [["a", 7, -300.0, 5.0, "unused", 1], ["b", 7, -340.0, 6.0, "unused", 2]]
    other = write(tmp_path / "other.csv", ["state", "constant", "y", "x", "more", "id"], rows)
    splits = NumberTable(signals, label="state", test=str(other)).load()
    assert splits.encoding.pieces(splits.test[1]) == ["x = 6", "y = -340", "constant = 7"]


@pytest.mark.parametrize(("value", "shown"), [("inf", "'inf'"), ("five", "'five'"), ("5,1", "'5,1'")])
def test_what_is_no_number_names_row_column_and_value(signals: Path, value: str, shown: str) -> None:
    lines = signals.read_text().splitlines()
    lines[4] = f'9,"{value}",3,7,a'
    signals.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        NumberTable(signals, label="state").load()
    words = f"{signals}: row 4 (line 5): column 'x': found {shown}, expected a finite number"
    assert str(caught.value).startswith(words)
    assert NumberTable(signals, label="state", on_error="skip").load().skipped == 1


def test_pixels_carry_their_level(images: Path) -> None:
    splits = NumberTable(images, label="label", values="pixels", layout=(2, 3)).load()
    assert (splits.encoding.model_inputs, splits.encoding.layout) == ({"features": 1, "length": 6}, (2, 3))
    sample = splits.train[0]
    levels = [int(piece) for piece in splits.encoding.pieces(sample)]
    assert sample.features.shape == (6, 1)
    assert sample.features.dtype == np.float32
    assert sample.features[:, 0].tolist() == pytest.approx([level / 255 for level in levels])


def test_pixels_as_codes(images: Path) -> None:
    splits = NumberTable(images, label="label", values="codes").load()
    assert splits.encoding.model_inputs == {"vocabulary": 256, "length": 6}
    sample = splits.train[0]
    assert sample.features.dtype == np.uint8
    assert [str(code) for code in sample.features] == splits.encoding.pieces(sample)


@pytest.mark.parametrize("level", ["17", "-1", "0.5"])
def test_level_out_of_range(tmp_path: Path, level: str) -> None:
    rows: list[list[object]] = [[3, n % 2] for n in range(20)]
    rows[6][0] = level
    path = write(tmp_path / "a.csv", ["p", "label"], rows)
    with pytest.raises(InputError) as caught:
        NumberTable(path, label="label", values="pixels", maximum=16).load()
    assert f"row 7 (line 8): column 'p': found {level}, expected a whole number from 0 to 16" in str(caught.value)
    assert NumberTable(path, label="label", values="pixels", maximum=16, on_error="skip").load().skipped == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"values": "pixel"}, "values: found 'pixel'; did you mean 'pixels'"),
        ({"values": "pixels", "layout": (2, 2)}, "layout: found 2 × 2 = 4 pixels, expected as many as"),
        ({"values": "numbers", "layout": (2, 3)}, "layout: given, but the values are 'numbers'"),
        ({"values": "pixels", "maximum": 0}, "maximum: found 0"),
        ({"columns": ["p0", "p9"]}, "column 'p9' is missing"),
        ({"columns": ["p0", "label"]}, "column 'label' is both input and label"),
        ({"columns": []}, "found no column of numbers"),
    ],
)
def test_wrong_arguments(images: Path, arguments: dict, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        NumberTable(images, label="label", **arguments).load()
    assert expected in str(caught.value)


@pytest.mark.parametrize("values", ["numbers", "pixels", "codes"])
def test_saved_encoding_reads_new_files_the_same_way(images: Path, tmp_path: Path, values: str) -> None:
    layout = None if values == "numbers" else (3, 2)
    splits = NumberTable(images, label="label", values=values, layout=layout).load()
    splits.encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    again = encoding.read(images, targets=True)
    assert (encoding.model_inputs, encoding.layout) == (splits.encoding.model_inputs, layout)
    for part in parts(splits):
        for sample in part:
            same = again[int(sample.id) - 1]
            assert same.features.tolist() == sample.features.tolist()
            assert same.target == sample.target


def test_numbers_of_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "x": [float(n) for n in range(30)],
        "y": [n % 7 for n in range(30)],
        "label": [n * 0.5 for n in range(30)],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    splits = NumberTable(tmp_path / "a.parquet", label="label").load()
    assert splits.encoding.task.name == "regression"
    assert [len(part) for part in parts(splits)] == [24, 3, 3]
