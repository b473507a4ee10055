"""Points in text: separators, headers, columns, and the line of everything that is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.point_cloud.columns import cloud_of_columns
from sampleformer.data.point_cloud.text_points import read_text_points
from sampleformer.errors import InputError


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "1 2 3\n4 5 6\n",
        "1,2,3\n4,5,6",
        "1;2;3\r\n4;5;6\r\n",
        "\ufeff 1\t2  3 \n\n4 5 6\n",
        "1, 2 , 3 # first\n// second\n4,5,6\n",
        "a b c\n1 2 3\n4 5 6\n",
        "X,Y,Z\n1,2,3\n4,5,6\n",
        '"z","y","x"\n3,2,1\n6,5,4\n',
    ],
)
def test_ways_to_write_points(tmp_path: Path, content: str) -> None:
    cloud = read_text_points(write(tmp_path, content))
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.normals is cloud.features is cloud.labels is None


def test_columns_of_unit_length_are_normals(tmp_path: Path) -> None:
    cloud = read_text_points(write(tmp_path, "1 2 3 0 0 1 7\n4 5 6 0.577 -0.577 0.577 8\n"))
    assert cloud.normals.tolist()[0] == [0, 0, 1]
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-6)
    assert cloud.features.tolist() == [[7], [8]]


def test_other_columns_are_features(tmp_path: Path) -> None:
    cloud = read_text_points(write(tmp_path, "1 2 3 0 0 1\n4 5 6 255 0 0\n"))
    assert cloud.normals is None
    assert cloud.features.tolist() == [[0, 0, 1], [255, 0, 0]]


def test_a_header_says_what_columns_are(tmp_path: Path) -> None:
    text = "label,x,y,z,Intensity,-,nx,ny,nz\n3,1,2,3,0.5,9,0,0,2\n4,4,5,6,0.25,9,0,5,0\n"
    cloud = read_text_points(write(tmp_path, text))
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.normals.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert cloud.features.tolist() == [[0.5], [0.25]]
    assert cloud.labels.tolist() == [3, 4]


def test_columns_asked_for_go_before_what_the_file_says(tmp_path: Path) -> None:
    cloud = read_text_points(write(tmp_path, "x y z a\n1 2 3 7\n"), ["-", "z", "y", "x"])
    assert cloud.points.tolist() == [[7, 3, 2]]


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("", None, "the file is empty"),
        ("# none\n", None, "found no points, expected a line for each"),
        ("x y z\n", None, "found no points, expected a line for each"),
        ("1 2\n3 4\n", None, r"line 1: found 2 columns, expected 3 \(x, y, z\) or more"),
        ("# two\n1 2 3\n\n4 5\n", None, "line 4: found 2 columns, expected 3 as in line 2"),
        ("1 2 3\n4 5 6 7\n", None, "line 2: found 4 columns, expected 3 as in line 1"),
        ("x,y,z\n1,2,3\n4,,6\n", None, "line 3: found '' in column 2, expected a finite number"),
        ("1 2 3\n4 five 6\n", None, "line 2: found 'five' in column 2, expected a finite number"),
        ("1 2 3\n4 5 NaN\n", None, "line 2: found 'NaN' in column 3, expected a finite number"),
        ("1 2 3\n4 -inf 6\n", None, "line 2: found '-inf' in column 2, expected a finite number"),
        ("1 2 3\n4 1e999 6\n", None, "line 2: found '1e999' in column 2, expected a finite number"),
        ("x,y,z,nx\n1,2,3,4\n", None, "columns: found no 'ny', expected it beside nx x y z"),
        ("x,y,z,x\n1,2,3,4\n", None, "columns: found 'x' twice, expected it once"),
        ("x,y,z,label\n1,2,3,4.5\n", None, "labels: found 4.5, expected whole numbers"),
        ("1 2 3\n", ["x", "y", "z", "label"], "line 1: found 3 columns, expected 4: x y z label"),
        ("1 2 3\n", ["x", "y", "a"], "columns: found no 'z', expected it beside a x y"),
        ("1 2 3\n", ["x", "y"], r"line 1: found 2 columns, expected 3 \(x, y, z\) or more"),
        (b"1 2 3\n4 \xe9 6\n", None, r"line 2: found '\\xe9' in column 2, expected a finite number"),
        ("1 2 3\n4 1_0 6\n", None, "line 2: found '1_0' in column 2, expected a finite number"),
        ("1 2 3\n4 ٣ 6\n", None, "line 2: found '٣' in column 2, expected a finite number"),
        ("1 2 3\n4 " + 5000 * "1" + " 6\n", None, "line 2: found '1+.*1+' in column 2, expected a finite number"),
        ("1 2 3\n4 1e39 6\n", None, r"points: row 2, column 2 is 1e\+39, expected at most 3.4.*single precision"),
    ],
)
def test_bad_files(tmp_path: Path, content: str | bytes, columns: list[str] | None, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_text_points(path, columns)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("values", "columns", "message"),
    [
        (np.zeros(3), None, r"found an array of shape \(3,\), expected \(points, columns\)"),
        (np.zeros((4, 2)), None, r"found 2 columns, expected 3 \(x, y, z\) or more"),
        (np.zeros((4, 3)), ["x", "y", "z", "label"], "found 3 columns, expected 4: x y z label"),
    ],
)
def test_arrays_that_are_no_tables_of_points(values, columns, message):
    with pytest.raises(ValueError, match=message):
        cloud_of_columns(values, columns)


@pytest.mark.parametrize(
    "content",
    [
        "1,250;2,500;3,125\n-0,5;1e1;2,75\n",
        "1,250 2,500 3,125\n-0,5 1e1 2,75\n",
        "1,250\t2,500\t3,125\n-0,5\t1e1\t2,75\n",
        "1,250 ; 2,500 ; 3,125\n-,5 ; 10, ; 2,75\n",
        "x;y;z\n1,250;2,500;3,125\n-0,5;10;2,75\n",
        "1.250,2.500,3.125\n-0.5,10,2.75\n",
        '"x","y","z"\n"1,250","2,500","3,125"\n"-0,5","10", "2,75"\n',
        '"1,250";2,500;3,125\n"-0,5";10;2,75\n',
        "1.250, 2.500,3.125\n-0.5,10, 2.75\n",
    ],
)
def test_decimal_commas_are_read_where_they_are_clear(tmp_path: Path, content: str) -> None:
    assert read_text_points(write(tmp_path, content)).points.tolist() == [[1.25, 2.5, 3.125], [-0.5, 10, 2.75]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,250,2,500,3,025", "commas as separators and as decimal marks"),
        ("1,250000,2,000000,3,125000", "commas as separators and as decimal marks"),
        ("1,5, 2,5, 3,5", "commas as separators and as decimal marks"),
        ("1,2,3 4,5,6", "found '3 4' in column 3"),
        ("1, 2 3", "found 2 columns, expected 3"),
        ("1,250.5;2,500.25;3", "found '1,250.5' in column 1"),
        ("1,234,567;2;3", "found '1,234,567' in column 1"),
    ],
)
def test_commas_that_may_be_either_are_refused_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=f"a.txt: line 1: .*{message}"):
        read_text_points(write(tmp_path, f"{line}\n"))


def test_whole_numbers_between_commas_are_no_decimals(tmp_path: Path) -> None:
    cloud = read_text_points(write(tmp_path, "1,2,3,255,0,10\n4,5,6,7,100,200\n"))
    assert cloud.features.tolist() == [[255, 0, 10], [7, 100, 200]]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "id", "__index_level_0__"])
def test_row_numbers_of_pandas_are_no_feature(tmp_path: Path, name: str) -> None:
    cloud = read_text_points(write(tmp_path, f"{name},x,y,z\n0,1,2,3\n1,4,5,6\n"))
    assert cloud.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert cloud.features is None
    assert cloud.remarks == (f"the column {name.lower()!r} is taken for row numbers and not used",)


@pytest.mark.parametrize("header", ["id,x,y", "x,y,height", ",a,b,c", "index;lon;lat;h"])
def test_headers_that_leave_coordinates_open_are_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match="line 1: found the header .*, expected x, y and z in it"):
        read_text_points(write(tmp_path, f"{header}\n" + 2 * (";" if ";" in header else ",").join("1234") + "\n"))


def test_a_first_line_with_the_number_of_points(tmp_path: Path) -> None:
    assert len(read_text_points(write(tmp_path, "2\n1 2 3\n4 5 6\n"))) == 2
    with pytest.raises(InputError, match="found 2 points, expected '3' as in line 1"):
        read_text_points(write(tmp_path, "3\n1 2 3\n4 5 6\n"))


def test_a_number_cut_short_at_the_end_of_the_file(tmp_path: Path) -> None:
    whole = "0.125 0.250 0.375\n1.125 1.250 1.375\n2.125 2.250 2.375"
    assert len(read_text_points(write(tmp_path, whole))) == 3
    for lost in (1, 2):
        with pytest.raises(InputError, match="line 3: cut short: the file ends behind '2.3.*, expected 3 decimals"):
            read_text_points(write(tmp_path, whole[:-lost]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 3\n".encode("utf-16"), "found text in UTF-16, expected text; save it as UTF-8"),
        ("1 2 3\n".encode("utf-16-le"), "found text in UTF-16, expected text in UTF-8"),
        (gzip.compress(b"1 2 3\n", mtime=0), "found a gzip file, expected text; unpack it"),
        (b"PK\x03\x04....", "found a zip archive, expected text; unpack it"),
        (b"1 2 3\n4 5 \x00\n", r"found a byte 0 \(byte 10 of the file\), expected text in UTF-8"),
    ],
)
def test_files_that_are_no_text_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"a.txt: {message}"):
        read_text_points(write(tmp_path, content))
