"""Tables of numbers and pixels."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import Encoding, NumberTable, Splits
from sampleformer.errors import InputError


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
    assert splits.encoding.inputs == {"features": 1, "length": 3}
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
    rows = [[n, n, n, n, ["train", "valid", "test"][n % 3], n % 2] for n in range(30)]
    path = write(tmp_path / "a.csv", ["name", "a", "b", "id", "part", "label"], rows)
    splits = NumberTable(path, label="label", test="part", id="name").load()
    assert splits.train.lengths.tolist() == [3] * 10  # a, b and id, which names nothing here
    assert NumberTable(path, label="label", test="part").load().train.lengths.tolist() == [3] * 10
    chosen = NumberTable(path, label="label", test="part", columns=["b", "a"]).load()
    assert chosen.encoding.pieces(chosen.train[0])[0].startswith("b = ")


def test_other_files_are_read_by_the_main_tables_columns(signals: Path, tmp_path: Path) -> None:
    rows = [["a", 7, -300.0, 5.0, "unused", 1], ["b", 7, -340.0, 6.0, "unused", 2]]
    other = write(tmp_path / "other.csv", ["state", "constant", "y", "x", "more", "id"], rows)
    splits = NumberTable(signals, label="state", test=str(other)).load()
    assert splits.encoding.pieces(splits.test[1]) == ["x = 6", "y = -340", "constant = 7"]


@pytest.mark.parametrize(("value", "shown"), [("nan", "'nan'"), ("", "an empty field"), ("5,1", "'5,1'")])
def test_what_is_no_number_names_row_column_and_value(signals: Path, value: str, shown: str) -> None:
    lines = signals.read_text().splitlines()
    lines[4] = f'9,"{value}",3,7,a'
    signals.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        NumberTable(signals, label="state").load()
    assert str(caught.value) == f"{signals}: row 4 (line 5): column 'x': found {shown}, expected a finite number"
    assert NumberTable(signals, label="state", on_error="skip").load().skipped == 1


def test_pixels_carry_their_level(images: Path) -> None:
    splits = NumberTable(images, label="label", values="pixels", layout=(2, 3)).load()
    assert (splits.encoding.inputs, splits.encoding.layout) == ({"features": 1, "length": 6}, (2, 3))
    sample = splits.train[0]
    levels = [int(piece) for piece in splits.encoding.pieces(sample)]
    assert sample.features.shape == (6, 1)
    assert sample.features.dtype == np.float32
    assert sample.features[:, 0].tolist() == pytest.approx([level / 255 for level in levels])


def test_pixels_as_codes(images: Path) -> None:
    splits = NumberTable(images, label="label", values="codes").load()
    assert splits.encoding.inputs == {"vocabulary": 256, "length": 6}
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
    assert (encoding.inputs, encoding.layout) == (splits.encoding.inputs, layout)
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
    assert splits.encoding.task == "regression"
    assert [len(part) for part in parts(splits)] == [24, 3, 3]
