"""Reading tables: every format, and everything that can be wrong with a file."""

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.errors import InputError
from sampleformer.tables.delimited import _Reader
from sampleformer.tables.format import TableFormat
from sampleformer.tables.table import read_table, table_pieces


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def columns_of(path: Path, format: TableFormat | None = None, on_error: str = "stop") -> dict[str, list]:
    return {name: list(column) for name, column in read_table(path, on_error, format).columns.items()}


def message(path: Path, on_error: str = "stop") -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, on_error)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "CSV", "tsv", "tsv.gz"])
def test_delimited_files(tmp_path: Path, ending: str) -> None:
    text = 'text,label\n"one, two\nthree",a\n\nfour,b\n'
    path = write(tmp_path, f"table.{ending}", text.replace(",", "\t") if "tsv" in ending else text)
    table = read_table(path)
    comma = "\t" if "tsv" in ending else ","
    assert dict(table.columns) == {"text": [f"one{comma} two\nthree", "four"], "label": ["a", "b"]}
    assert [table.place(row) for row in range(len(table))] == ["row 1 (line 2)", "row 2 (line 5)"]


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", "\ufefftext,label\r\nhé,1\r\n"))
    assert dict(table.columns) == {"text": ["hé"], "label": ["1"]}


def test_fields_of_any_length(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    assert read_table(write(tmp_path, "a.csv", f"text,label\n{long},1\n")).column("text") == [long]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "ndjson"])
def test_json_lines(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, f"a.{ending}", '{"text": "a\\u2028b", "label": 1}\n\n{"text": "c\u2028d", "more": null}\n')
    table = read_table(path)
    assert dict(table.columns) == {"text": ["a\u2028b", "c\u2028d"], "label": [1, None], "more": [None, None]}
    assert table.place(1) == "row 2 (line 3)"


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", None], "value": [1.5, 2.5]}), path)
    table = read_table(path)
    assert dict(table.columns) == {"text": ["a", None], "value": [1.5, 2.5]}
    assert table.place(1) == "row 2"


def test_bytes_of_parquet_are_texts_where_they_can_be(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": pyarrow.array([b"good", b"\xff", None])}), path)
    assert read_table(path).column("text") == ["good", b"\xff", None]


def test_names_are_found_however_their_accents_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("cafe\u0301,b\n1,2\n", encoding="utf-8")
    assert read_table(path).column("caf\u00e9") == ["1"]


def test_parquet_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert "not a valid Parquet file" in message(write(tmp_path, "a.parquet", "no parquet"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert 'pip install "sampleformer[parquet]"' in message(write(tmp_path, "a.parquet", "x"))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.parquet", "a", "a.xlsx"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    assert "no such file" in message(tmp_path / name)


@pytest.mark.parametrize("name", ["a", "a.csv", "a.parquet"])
def test_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert "found a folder, expected a file" in message(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.xlsx", "the ending '.xlsx'"), ("a.parquet.gz", "'.parquet.gz'"), ("a", "a name without ending")],
)
def test_unknown_ending(tmp_path: Path, name: str, found: str) -> None:
    found_message = message(write(tmp_path, name, "text,label\na,b\n"))
    assert found in found_message
    assert ".csv, .tsv or .jsonl" in found_message


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("content", [b"", b" \n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_empty_file(tmp_path: Path, name: str, content: bytes) -> None:
    assert "empty" in message(write(tmp_path, name, content))


def test_header_only(tmp_path: Path) -> None:
    assert "found no rows below the header" in message(write(tmp_path, "a.csv", "text,label\n"))


def test_missing_column_names_the_nearest(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", "text,label\na,b\n"))
    with pytest.raises(InputError, match="column 'lable' is missing; did you mean 'label'"):
        table.column("lable")


def test_message_stays_on_one_line_whatever_the_header_holds(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", '"te\nxt",label\na,b\n'))
    with pytest.raises(InputError) as caught:
        table.column("text")
    assert str(caught.value).endswith("did you mean 'te xt'? allowed: label, te xt")
    assert table.column("te xt") == ["a"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_column_that_occurs_twice(tmp_path: Path, name: str) -> None:
    content = "a,b,a\n1,2,3\n" if name == "a.csv" else '{"a": 1, "b": 2, "a": 3}\n'
    assert "occurs twice" in message(write(tmp_path, name, content))


@pytest.mark.parametrize(("row", "count"), [("only", 1), ("a,b,c", 3)])
def test_row_of_the_wrong_width(tmp_path: Path, row: str, count: int) -> None:
    path = write(tmp_path, "a.csv", f'text,label\n"x\ny",1\n{row}\nz,2\n')
    assert f"row 2 (line 4): found {count} field{'s' * (count > 1)}, expected 2 as in the header" in message(path)
    table = read_table(path, "skip")
    assert dict(table.columns) == {"text": ["x\ny", "z"], "label": ["1", "2"]}
    assert (list(table.rows), table.unreadable) == ([1, 3], 1)


@pytest.mark.parametrize(("name", "row"), [("a.csv", "1,2"), ("a.jsonl", "{1")])
def test_skipped_rows_are_counted_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, row: str
) -> None:
    good = "a\n1" if name == "a.csv" else '{"a": "1"}'
    path = write(tmp_path, name, "\n".join([good, row, row, row]))
    read_table(path, "skip")
    (record,) = caplog.records
    assert f"{path}: skipped 3 rows that cannot be read, the first: row 2" in record.getMessage()


def test_broken_utf8_names_row_and_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b"text,label\ngood,1\nb\xffd,2\nfine,3\n")
    assert "row 2 (line 3): column 'text': byte 0xff is not UTF-8; " in message(path)
    assert "--encoding cp1252" in message(path)
    table = read_table(path, "skip")
    assert (table.column("text"), table.unreadable) == (["good", "fine"], 1)


def test_broken_utf8_in_the_header(tmp_path: Path) -> None:
    assert "header (line 1): byte 0xff is not UTF-8" in message(
        write(tmp_path, "a.csv", b"te\xffxt,label\na,b\n"), "skip"
    )


def test_broken_utf8_in_json(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'{"a": "x"}\n{"a": "\xe9"}\n')
    assert "row 2 (line 2): byte 0xe9 is not UTF-8" in message(path)


def test_quotes_that_do_not_close(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'text,label\ngood,1\n"never closed,2\nmore,3\n')
    assert "row 2 (line 3): not a valid record" in message(path)
    assert read_table(path, "skip").column("text") == ["good"]


def test_all_rows_wrong(tmp_path: Path) -> None:
    assert "(2 wrong rows were skipped)" in message(write(tmp_path, "a.csv", "a,b\n1\n2\n"), "skip")


@pytest.mark.parametrize("keep", [5, 15, -1])
def test_gzip_cut_short(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"abc,1\n" * 100)[:keep])
    assert "cut short" in message(path)


def test_gzip_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"text,label\na,b\n")
    assert "not a valid gzip file" in message(path)


def test_gzip_with_damaged_content(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"text,label\n" + b"abcdefgh,1\n" * 100))
    data[20] ^= 0xFF
    path = tmp_path / "a.csv.gz"
    path.write_bytes(bytes(data))
    assert "gzip" in message(path)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{broken", "not valid JSON"),
        ("[1, 2]", "JSON that is no object"),
        ('"a"', "no object"),
        ("[" * 100_000, "JSON that cannot be read"),
        ("9" * 5000, "JSON that cannot be read"),
    ],
    ids=["broken", "list", "text", "deep", "long number"],
)
def test_wrong_json_line(tmp_path: Path, line: str, found: str) -> None:
    path = write(tmp_path, "a.jsonl", f'{{"a": 1}}\n\n{line}\n{{"a": 2}}\n')
    text = message(path)
    assert "row 2 (line 3)" in text
    assert found in text
    assert read_table(path, "skip").column("a") == [1, 2]


HEADER, ROWS = ["id", "text", "label"], [["0", "zeta é", "a"], ["1", "alpha, beta", "b"], ["2", "", "a"]]


def delimited(separator: str, end: str = "\n", header: Sequence[str] = HEADER) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows([header, *ROWS])
    return text.getvalue()


def expected_columns() -> dict[str, list[str]]:
    return {name: [row[place] for row in ROWS] for place, name in enumerate(HEADER)}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["line feed", "both", "carriage return"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "packed.csv"])
def test_what_is_unambiguous_is_read(tmp_path: Path, name: str, encoding: str, separator: str, end: str) -> None:
    content = delimited(separator, end).encode(encoding)
    path = write(tmp_path, name, gzip.compress(content) if name == "packed.csv" else content)
    assert columns_of(path) == expected_columns()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_json_lines_in_any_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    lines = [json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in ROWS]
    assert columns_of(write(tmp_path, "a.jsonl", end.join(lines).encode(encoding))) == expected_columns()


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be", "mac-roman", "utf-8"])
@pytest.mark.parametrize("separator", [",", ";", "tab", "semicolon", "\\t"])
def test_what_is_said_is_read(tmp_path: Path, encoding: str, separator: str) -> None:
    character = TableFormat(separator=separator).separator
    assert character is not None
    path = write(tmp_path, "a.csv", delimited(character).encode(encoding))
    assert columns_of(path, TableFormat(separator=separator, encoding=encoding)) == expected_columns()


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac-roman"])
def test_another_encoding_is_named_with_the_remedy(tmp_path: Path, encoding: str) -> None:
    text = message(write(tmp_path, "a.csv", delimited(",").encode(encoding)))
    assert re.search(r"row 1 \(line 2\): column 'text': byte 0x.. is not UTF-8; .* --encoding cp1252", text)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_named(tmp_path: Path, order: str) -> None:
    text = message(write(tmp_path, "a.csv", "id,text\n0,abc\n".encode(order)))
    assert f"found text in UTF-16 without its mark, expected UTF-8; give --encoding {order}" in text


def test_utf16_cut_short(tmp_path: Path) -> None:
    assert "not text in UTF-16" in message(write(tmp_path, "a.csv", "id,text\n0,abc\n".encode("utf-16")[:-1]))


@pytest.mark.parametrize(
    "content", ["a,b\n1;2,3\n4;5,6\n", "a\n1;2\n3;4\n", "a;b,c\n1;2,3\n4;5,6\n", "a,b\n1,2\n3;4,5\n"]
)
def test_the_usual_separator_where_it_cuts_all_rows_alike(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, "a.csv", content)
    assert list(read_table(path).columns) == content.split("\n")[0].split(",")


def test_decimal_commas_between_semicolons(tmp_path: Path) -> None:
    assert columns_of(write(tmp_path, "a.csv", "x;y\n1,5;2\n2,5;3\n")) == {"x": ["1,5", "2,5"], "y": ["2", "3"]}


def test_separator_that_excel_says(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "sep=;\r\na,1;b\r\n1;2,5\r\n3;4\r\n")
    table = read_table(path)
    assert dict(table.columns) == {"a,1": ["1", "3"], "b": ["2,5", "4"]}
    assert table.place(0) == "row 1 (line 3)"


@pytest.mark.parametrize(
    "setting", [{"separator": "ab"}, {"separator": '"'}, {"encoding": "utf-99"}, {"encoding": "hex"}, {"decimal": "!"}]
)
def test_format_without_a_meaning(setting: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TableFormat(**setting)


def test_blanks_around_names_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", '\ufeff id, text ,"label\u00a0\nof it"\n1,2,3\n')
    assert list(read_table(path).columns) == ["id", "text", "label of it"]
    path = write(tmp_path, "a.jsonl", '{" id": 1, "text ": 2}\n')
    assert list(read_table(path).columns) == ["id", "text"]
    assert "column 'a' occurs twice" in message(write(tmp_path, "b.csv", "a, a\n1,2\n"))


@pytest.mark.parametrize("end", ["", "5,x\n"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_empty_columns_and_rows_do_not_count(tmp_path: Path, separator: str, end: str) -> None:
    text = "id,text,,\n0,zeta,,\n1,alpha\n,,,\n2,beta,\n , ,,\n" + end
    table = read_table(write(tmp_path, "a.csv", text.replace(",", separator)))
    assert list(table.columns) == ["id", "text"]
    assert list(table.column("text")) == ["zeta", "alpha", "beta", *(["x"] if end else [])]
    assert list(table.rows) == [1, 2, 4, *([6] if end else [])]


def test_column_without_a_name_is_called_as_pandas_calls_it(tmp_path: Path) -> None:
    assert columns_of(write(tmp_path, "a.csv", ",b,\n0,x,\n1,y,\n")) == {"Unnamed: 0": ["0", "1"], "b": ["x", "y"]}


def test_empty_texts_of_a_single_column_count(tmp_path: Path) -> None:
    assert columns_of(write(tmp_path, "a.csv", 'text\nabc\n""\nx\n')) == {"text": ["abc", "", "x"]}


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "a workbook of Excel (.xlsx)"),
        (zipped("a.csv"), "a zip archive"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "a workbook of Excel (.xls)"),
        (b"SQLite format 3\0" + bytes(100), "an SQLite database"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (bz2.compress(b"a,b\n1,2\n"), "a bzip2 file"),
        (lzma.compress(b"a,b\n1,2\n"), "an xz file"),
        (pickle.dumps([1, 2, 3] * 100, protocol=4), "a Python pickle"),
        (b"%PDF-1.7\n" + bytes(100), "a PDF document"),
        (b"\n<!DOCTYPE html>\n<html>", "a web page"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
        (b"\x93NUMPY\x01\x00" + bytes(100), "a NumPy array"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.xlsx", "a.csv.gz", "a"])
def test_other_files_are_named_whatever_they_are_called(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    text = message(write(tmp_path, name, content))
    assert f"{words}, expected a table; " in text


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_parquet_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["a", "b"]}), tmp_path / name)
    assert columns_of(tmp_path / name) == {"text": ["a", "b"]}


def test_json_array_is_named(tmp_path: Path) -> None:
    text = message(write(tmp_path, "a.jsonl", '[{"a": 1},\n {"a": 2}]\n'))
    assert "found a JSON array, expected an object on each line; pandas writes it with" in text


@pytest.mark.parametrize("keep", [4, 9, 40, 200, -20, -1])
def test_parquet_cut_short(tmp_path: Path, keep: int) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": [f"text {row}" for row in range(100)]}), tmp_path / "a.parquet")
    path = write(tmp_path, "cut.parquet", (tmp_path / "a.parquet").read_bytes()[:keep])
    assert "not a valid Parquet file" in message(path)


@pytest.mark.parametrize("cut", range(1, 30))
def test_csv_cut_short_is_no_other_table(tmp_path: Path, cut: int) -> None:
    whole = 'text,label\n"one, two",a\n"three ""four""",b\n'
    path = write(tmp_path, "a.csv", whole[:-cut])
    try:
        rows = list(zip(*columns_of(path).values(), strict=True))
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:  # an unquoted last field may have lost its end, which nothing shows
        whole_rows = [("one, two", "a"), ('three "four"', "b")]
        assert rows[:-1] == whole_rows[: len(rows) - 1]
        assert rows[-1] in [each for text, label in whole_rows for each in ((text, label), (text, ""))]


def test_quote_that_does_not_close_says_how_much_it_takes(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'text,label\ngood,1\n"never closed,2\nmore,3\nmore,4\n')
    words = "not a valid record: a quote opens a field and does not close it before the file ends, 3 lines on"
    assert f"row 2 (line 3): {words}" in message(path)


@pytest.mark.parametrize("place", ["text", "label", "id", "name"])
@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\udfff\\ud800"])
def test_half_a_surrogate_pair(tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str, half: str) -> None:
    row = {"text": "x", "label": "a", "id": "0"} | {place: "a HALF b"}
    content = json.dumps(row if place != "name" else {"a HALF b": 1}).replace("HALF", half)
    table = read_table(write(tmp_path, "a.jsonl", f'{{"text": "\\ud83d\\ude00"}}\n{content}\n'))
    marks = "\ufffd" * half.count("u")
    assert table.column("text")[0] == "\U0001f600"
    assert f"a {marks} b" in ([*table.columns] if place == "name" else table.column(place))
    assert "half a surrogate pair (an emoji cut in two) in 1 value, read as U+FFFD; the first: row 2" in caplog.text
    json.dumps(dict(table.columns), ensure_ascii=False).encode()


def test_parquet_values_are_those_of_other_formats(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    day = datetime.datetime(2020, 1, 31, 12, 30)
    columns = {
        "bytes": pyarrow.array([b"caf\xc3\xa9", None], pyarrow.binary()),
        "category": pyarrow.array(["a", "b"]).dictionary_encode(),
        "date": pyarrow.array([day.date(), None], pyarrow.date32()),
        "time": pyarrow.array([day, None], pyarrow.timestamp("ns")),
        " blank ": pyarrow.array([2**53 + 1, None], pyarrow.int64()),
        "list": pyarrow.array([["a"], ["b", "c"]]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert columns_of(tmp_path / "a.parquet") == {
        "bytes": ["café", None],
        "category": ["a", "b"],
        "date": ["2020-01-31", None],
        "time": ["2020-01-31 12:30:00.000000000", None],
        "blank": [2**53 + 1, None],
        "list": [["a"], ["b", "c"]],
    }


def test_parquet_text_that_is_not_utf8(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    broken = pyarrow.Array.from_buffers(pyarrow.string(), 3, pyarrow.array([b"a", b"b\xff", b"c"]).buffers())
    parquet.write_table(pyarrow.table({"text": broken, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    assert "row 2: column 'text': byte 0xff is not UTF-8" in message(tmp_path / "a.parquet")
    assert columns_of(tmp_path / "a.parquet", on_error="skip") == {"text": ["a", "c"], "n": [1, 3]}


def write_any(path: Path, rows: int) -> Path:
    """A table of two columns in the format that the name says, in which the second half has a third column."""
    found = [{"text": f"text {row}", "value": str(row)} for row in range(rows)]
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(found), path, row_group_size=7)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    else:
        path.write_text("text,value\n" + "".join(f"{row['text']},{row['value']}\n" for row in found))
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("rows", [1, 9, 10, 11, 20])
def test_pieces_are_the_table(tmp_path: Path, ending: str, rows: int) -> None:
    path = write_any(tmp_path / f"a.{ending}", rows)
    pieces, whole = list(table_pieces(path, rows=10)), read_table(path)
    assert [len(piece) for piece in pieces] == [10] * (rows // 10) + [rows % 10] * (rows % 10 > 0)
    for name in ("text", "value"):
        assert [value for piece in pieces for value in piece.column(name)] == list(whole.column(name))
    assert [number for piece in pieces for number in piece.rows] == list(whole.rows)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_pieces_count_wrong_rows_once(tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture) -> None:
    path = write_any(tmp_path / f"a.{ending}", 25)
    lines = path.read_text().splitlines()
    wrong = "1,2,3" if ending == "csv" else "{"
    path.write_text("\n".join([*lines[:5], wrong, *lines[5:20], wrong, wrong, *lines[20:]]))
    pieces = list(table_pieces(path, "skip", rows=10))
    assert (sum(map(len, pieces)), sum(piece.unreadable for piece in pieces)) == (25, 3)
    assert len(caplog.records) == 1


def test_many_columns_are_read_in_linear_time(tmp_path: Path) -> None:
    names = [f"column {place}" for place in range(20_000)]
    path = write(tmp_path, "a.csv", ",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    assert list(read_table(path).columns) == names
    twice = write(tmp_path, "b.csv", ",".join([*names, names[7]]) + "\n")
    assert "column 'column 7' occurs twice" in message(twice)


def wide_rows(columns: int, rows: int) -> tuple[list[str], list[list[str]]]:
    names = [f"column {place}" for place in range(columns)]
    return names, [[f"{row * columns + place}.25" for place in range(columns)] for row in range(rows)]


def test_a_wide_table_is_any_table(tmp_path: Path) -> None:
    names, rows = wide_rows(1_200, 5)
    rows[1][3:5] = ['a "quoted, word', ""]
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows[:3], rows[3][:-1], *rows[4:]])
    assert "row 4 (line 5): found 1,199 fields" in message(path)
    table = read_table(path, "skip")
    del rows[3]
    assert table.unreadable == 1
    assert (table.rows, table.lines) == ([1, 2, 3, 5], [2, 3, 4, 6])
    assert [list(table.column(name)) for name in names] == [list(values) for values in zip(*rows, strict=True)]
    column = table.column("column 3")
    assert (len(column), column[1], column[-1]) == (4, 'a "quoted, word', rows[-1][3])
    assert list(column[1:3]) == [rows[1][3], rows[2][3]]


@pytest.mark.parametrize("rows", [None, 2])
def test_a_wide_table_whose_last_columns_are_nameless(tmp_path: Path, rows: int | None) -> None:
    names, values = wide_rows(1_200, 3)
    lines = [",".join([*names, ""]), *(",".join([*row, ""][: 1_201 - place % 2]) for place, row in enumerate(values))]
    path = write(tmp_path, "a.csv", "\n".join(lines))
    if rows is None:
        assert columns_of(path) == dict(zip(names, map(list, zip(*values, strict=True)), strict=True))
        return
    pieces = list(table_pieces(path, rows=rows))
    assert [value for piece in pieces for value in piece.column("column 1199")] == [row[-1] for row in values]
    assert [value for piece in pieces for value in piece.column("Unnamed: 1200")] == ["", "", ""]


def test_objects_of_different_names_take_the_memory_of_their_values(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "".join(f'{{"{row}": {row}, "all": 1}}\n' for row in range(20_000)))
    table = read_table(path)
    assert len(table.columns) == 20_001  # 400 million fields, of which 40 000 have a value
    assert table.column("7")[6:9] == [None, 7, None]


@pytest.mark.parametrize("depth", [50, 500, 5_000])
def test_deep_json_is_a_wrong_row_or_a_list(tmp_path: Path, depth: int) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": ' + "[" * depth + "]" * depth + '}\n{"a": 1}\n')
    table = read_table(path, "skip")
    assert list(table.rows) in ([1, 2], [2])


@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl", "csv.gz"]), st.sampled_from(["stop", "skip"]))
def test_any_bytes_give_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str, on_error: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"a.{ending}"
    path.write_bytes(content)
    problem = ""
    try:
        table = read_table(path, on_error)
        assert len(table) >= 1
        assert {len(column) for column in table.columns.values()} <= {len(table)}
    except InputError as error:
        problem = str(error)
    assert "\n" not in problem


fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)  # 3.10 refuses NUL


@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=20))
def test_what_the_csv_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("first", "second"), *rows])
    table = read_table(path, empty_allowed=True)
    found = zip(table.rows, table.column("first"), table.column("second"), strict=True)
    filled = [(number, *row) for number, row in enumerate(rows, start=1) if any(map(str.strip, row))]
    assert list(found) == filled  # rows of empty fields do not count, and keep their number


@given(st.lists(st.dictionaries(st.sampled_from("ab"), fields | st.integers() | st.none()), min_size=1, max_size=9))
def test_what_the_json_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    table = read_table(path)
    for name, column in table.columns.items():
        assert list(column) == [row.get(name) for row in rows]


CHARACTERS = ['"', ",", ";", "a", "é", " ", "\t", "\n", "\r", "\r\n", '""', ',"']


@given(st.lists(st.sampled_from(CHARACTERS), max_size=30).map("".join), st.sampled_from(",;\t"))
def test_lines_are_cut_as_the_csv_module_cuts_them(text: str, separator: str) -> None:
    lines = list(io.StringIO(text, newline=""))
    found, expected = [
        _records_of(reader)
        for reader in (_Reader(iter(lines), separator), csv.reader(lines, delimiter=separator, strict=True))
    ]
    assert found == expected


def _records_of(reader: Any) -> list[tuple[int, list[str] | str]]:
    """Each record, or the error in its place, with the number of the last line that was read for it."""
    records: list[tuple[int, list[str] | str]] = []
    while True:
        try:
            record: list[str] | str = next(reader)
        except StopIteration:
            return records
        except csv.Error as error:
            record = str(error)
        records.append((reader.line_num, record))
