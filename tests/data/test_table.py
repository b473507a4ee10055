"""Reading tables: every format, and everything that can be wrong with a file."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.table import read_table
from sampleformer.errors import InputError


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


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
    assert str(caught.value).endswith("allowed: label, te xt")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_column_that_occurs_twice(tmp_path: Path, name: str) -> None:
    content = "a,b,a\n1,2,3\n" if name == "a.csv" else '{"a": 1, "b": 2, "a": 3}\n'
    assert "occurs twice" in message(write(tmp_path, name, content))


@pytest.mark.parametrize(("row", "count"), [("only", 1), ("a,b,c", 3)])
def test_row_of_the_wrong_width(tmp_path: Path, row: str, count: int) -> None:
    path = write(tmp_path, "a.csv", f'text,label\n"x\ny",1\n{row}\nz,2\n')
    assert f"row 2 (line 4): found {count} fields, expected 2 as in the header" in message(path)
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
    assert "row 2 (line 3): byte 19 of the file (0xff) is not UTF-8" in message(path)
    table = read_table(path, "skip")
    assert (table.column("text"), table.unreadable) == (["good", "fine"], 1)


def test_broken_utf8_in_the_header(tmp_path: Path) -> None:
    assert "header: byte 2 of the file (0xff)" in message(write(tmp_path, "a.csv", b"te\xffxt,label\na,b\n"), "skip")


def test_broken_utf8_in_json(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'{"a": "x"}\n{"a": "\xe9"}\n')
    assert "row 2 (line 2): byte 18 of the file (0xe9)" in message(path)


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
    import csv

    path = tmp_path_factory.mktemp("written") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("first", "second"), *rows])
    table = read_table(path)
    assert list(zip(table.column("first"), table.column("second"), strict=True)) == rows


@given(st.lists(st.dictionaries(st.sampled_from("ab"), fields | st.integers() | st.none()), min_size=1, max_size=9))
def test_what_the_json_module_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("written") / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    table = read_table(path)
    for name, column in table.columns.items():
        assert list(column) == [row.get(name) for row in rows]
