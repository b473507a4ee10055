"""Tables larger than memory: the same as in memory."""

from pathlib import Path

import pytest

from sampleformer.errors import InputError
from sampleformer.tables.streamed import FilePieces, TablePieces, streamed_table
from sampleformer.tables.table import read_table
from tests.training.small import write_csv


def _write(folder: Path) -> Path:
    rows = [[row, f'text "{row}"\nof two lines', row % 3, ""] for row in range(20)]
    return write_csv(folder / "t.csv", ["id", "text", "label", ""], rows)


def test_a_streamed_table_is_the_table(tmp_path: Path) -> None:
    path = _write(tmp_path)
    found, expected = streamed_table(FilePieces(path, rows=6), {"label", "nowhere"}), read_table(path)
    assert list(found.columns) == list(expected.columns) == ["id", "text", "label"]
    assert {name: list(values) for name, values in found.columns.items()} == dict(expected.columns)
    assert [found.place(row) for row in range(20)] == [expected.place(row) for row in range(20)]
    assert isinstance(found.columns["label"], list)
    assert found.columns["text"][13] == expected.columns["text"][13]
    assert found.columns["text"][5:7] == expected.columns["text"][5:7]
    with pytest.raises(IndexError, match="20 is no row of 20"):
        found.columns["text"][20]


def test_pieces_are_the_same_each_time(tmp_path: Path) -> None:
    pieces = FilePieces(_write(tmp_path), rows=6)
    for _ in range(2):
        assert [(start, len(piece)) for start, piece in pieces] == [(0, 6), (6, 6), (12, 6), (18, 2)]


def test_pieces_of_a_table_in_memory(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path))
    starts, pieces = zip(*TablePieces(table, rows=8), strict=True)
    assert starts == (0, 8, 16)
    assert [each for piece in pieces for each in piece.columns["text"]] == table.columns["text"]
    assert pieces[2].place(0) == table.place(16)


def test_equal_labels_are_one_object(tmp_path: Path) -> None:
    table = streamed_table(FilePieces(_write(tmp_path), rows=6), {"label"})
    assert len({id(value) for value in table.columns["label"]}) == 3


def test_a_table_without_rows_is_an_error(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ["text", "label"], [])
    with pytest.raises(InputError, match=r"t.csv: found no rows below the header, expected at least one"):
        streamed_table(FilePieces(path), set())


def test_wrong_rows_are_counted_over_all_pieces(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ["text", "label"], [["a", 1, 2][: 2 + row % 2] for row in range(9)])
    assert streamed_table(FilePieces(path, "skip", rows=2), set()).unreadable == 4
    with pytest.raises(InputError, match=r"t.csv: row 2 \(line 3\): found 3 fields"):
        streamed_table(FilePieces(path, rows=2), set())
